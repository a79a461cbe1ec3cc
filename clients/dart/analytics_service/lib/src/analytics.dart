import 'dart:async';
import 'dart:convert';
import 'dart:math';

import 'dwell.dart';
import 'event_queue.dart';
import 'generated/payloads.dart';
import 'ids.dart';
import 'outcome.dart';
import 'platform.dart';
import 'retry.dart';
import 'sender.dart';
import 'session.dart';
import 'store.dart';
import 'transport.dart';

/// A client of the analytics service.
///
/// [track] puts an event into a queue, under an id that never changes. Events
/// are sent in batches, and stay in the queue until the service acknowledges
/// them. Sending an event twice is safe, because the service stores an id once.
///
/// No method throws because of the network, the service or the disk.
class Analytics {
  /// Makes a client of the service at [endpoint], for example
  /// `http://localhost:3006`.
  ///
  /// The queue is kept in [stateFolder], which one process may use at a time.
  /// Flutter apps and tests pass a [store] instead. Without either, the queue
  /// lasts as long as the process. If the state cannot be opened, [onProblem]
  /// is called and the queue is kept in memory.
  ///
  /// A service that other machines reach wants a [key]; that of an app is public.
  ///
  /// Callbacks may be called at any time, also before the constructor returns.
  Analytics({
    required Uri endpoint,
    String? stateFolder,
    FutureOr<Store>? store,
    Transport? transport,
    String? key,
    Map<String, String> headers = const {},
    this.userId,
    String? platform,
    Device? device,
    this.defaultCurrency = 'USD',
    this.flushAt = 20,
    this.flushInterval = const Duration(seconds: 30),
    int maxQueueEvents = 1000,
    int maxQueueBytes = 1000000,
    int maxBatchEvents = 100,
    Duration requestTimeout = const Duration(seconds: 30),
    Duration sessionTimeout = const Duration(minutes: 5),
    this.onRejected,
    this.onDropped,
    this.onProblem,
    DateTime Function()? now,
    Duration Function()? elapsed,
    Random? random,
  })  : _now = now ?? DateTime.now,
        _transport = transport ?? defaultTransport(),
        _platform = platform ?? defaultPlatform(),
        _device = device?.toJson() {
    final stopwatch = Stopwatch()..start();
    _ids = IdSource(_now, random: random);
    _session = SessionTracker(_now, _ids.next, sessionTimeout);
    _dwell = DwellTimer(elapsed ?? () => stopwatch.elapsed);
    _queue = EventQueue(
      maxEvents: maxQueueEvents,
      maxBytes: maxQueueBytes,
      onDropped: (event) =>
          _drop(event.id, '${event.json['eventType']}', DropReason.queueFull),
      onProblem: _report,
    );
    _sender = Sender(
      transport: _transport,
      uri: endpoint.resolve(_batchPath(endpoint)),
      headers: {
        'content-type': 'application/json',
        if (key != null) 'authorization': 'Bearer $key',
        ...headers,
      },
      queue: _queue,
      delays: RetryDelays(random: random, now: _now),
      maxBatchEvents: maxBatchEvents,
      timeout: requestTimeout,
      now: _now,
      onRejected: (event) => _call(() => onRejected?.call(event)),
      onProblem: _report,
    );
    _ready = _open(stateFolder, store);
  }

  /// The largest event, in UTF-16 code units of its JSON.
  static const int maxEventCharacters = 60000;

  /// The user of the events that name none; null while nobody is signed in.
  String? userId;

  /// The currency of purchases that name none.
  final String defaultCurrency;

  /// The number of queued events from which they are sent.
  final int flushAt;

  /// How long an event waits for company before it is sent.
  final Duration flushInterval;

  /// Called with each event that the service rejects for good.
  final void Function(RejectedEvent)? onRejected;

  /// Called with each event that the client gives up. Do not track events in it:
  /// if the queue is full, they would be dropped in turn.
  final void Function(DroppedEvent)? onDropped;

  /// Called with each failure of the network, the service or the disk. The
  /// client goes on by itself.
  final void Function(Object)? onProblem;

  final DateTime Function() _now;
  final Transport _transport;
  final String? _platform;
  final Map<String, Object?>? _device;
  late final IdSource _ids;
  late final SessionTracker _session;
  late final DwellTimer _dwell;
  late final EventQueue _queue;
  late final Sender _sender;
  late final Future<void> _ready;

  Store? _store;
  String? _anonymousId;
  int _sequence = 0;
  bool _closed = false;

  /// How many of the oldest events are due, however few they are.
  int _due = 0;
  Timer? _timer;
  Future<void>? _run;
  Future<void>? _close;
  Completer<void>? _sleeping;

  static String _batchPath(Uri endpoint) {
    final path = endpoint.path;
    return '${path.endsWith('/') ? path : '$path/'}analytics/events/batch';
  }

  /// Completes when the state of earlier runs has been read.
  Future<void> get ready => _ready;

  /// The number of events that the service has not acknowledged yet.
  int get pending => _queue.length;

  /// The id of the current session.
  String get sessionId => _session.id;

  /// The id of this installation, kept in the state; null before [ready].
  String? get anonymousId => _anonymousId;

  Future<void> _open(String? folder, FutureOr<Store>? given) {
    try {
      final store = given ?? openStore(folder);
      if (store is Future<Store>) {
        return store.then(_use, onError: (Object error) {
          _report(error);
          _use(MemoryStore());
        });
      }
      _use(store);
    } catch (error) {
      // Platforms throw errors of many types.
      _report(error);
      _use(MemoryStore());
    }
    return Future.value();
  }

  void _use(Store store) {
    if (_closed) {
      store.close();
      return;
    }
    _store = store;
    _queue.open(store);
    _anonymousId = _ids.next();
    try {
      final known = store.readAnonymousId();
      if (known == null) {
        store.writeAnonymousId(_anonymousId!);
      } else {
        _anonymousId = known;
      }
    } catch (error) {
      _report(error);
    }
    _due = _queue.length;
    _send();
  }

  /// Queues an event and returns its id.
  ///
  /// The id, the time, the sequence, the session and the schema version are
  /// those of this moment. When this returns, the event is in the queue's file
  /// and survives the death of the process. Returns null if the event is
  /// dropped at once, after [onDropped] was called.
  String? track(EventPayload payload, {String? userId}) => _enqueue(
      payload.eventType, payload.schemaVersion, payload.toJson(), userId);

  /// Queues an event whose type this client may not know, as [track] does.
  ///
  /// Without a [schemaVersion], it is the newest one that this client knows.
  String? trackData(
    String eventType,
    Map<String, Object?> data, {
    String? userId,
    String? schemaVersion,
  }) =>
      _enqueue(
          eventType, schemaVersion ?? schemaVersions[eventType], data, userId);

  String? _enqueue(String eventType, String? version, Map<String, Object?> data,
      String? userId) {
    final id = _ids.next();
    if (_closed) {
      return _drop(id, eventType, DropReason.closed);
    }
    final user = userId ?? this.userId;
    final String text;
    try {
      text = jsonEncode({
        'eventId': id,
        'eventType': eventType,
        if (version != null) 'schemaVersion': version,
        if (user != null) 'userId': user,
        'sessionId': _session.id,
        'sequence': _sequence++,
        if (_platform != null) 'platform': _platform,
        if (_device != null) 'device': _device,
        'timestamp': _now().toUtc().toIso8601String(),
        'data': {
          ...data,
          for (final field in currencyFields[eventType] ?? const <String>[])
            if (data[field] == null) field: defaultCurrency,
        },
      });
    } on JsonUnsupportedObjectError {
      return _drop(id, eventType, DropReason.notJson);
    }
    if (text.length > maxEventCharacters) {
      return _drop(id, eventType, DropReason.tooLarge);
    }
    // Read back, so that later changes of the caller's data do not reach it.
    _queue.add(QueuedEvent.fromText(text));
    _timer ??= Timer(flushInterval, _sendAll);
    if (_queue.length >= flushAt) {
      _send();
    }
    return id;
  }

  /// Starts to measure how long a content is visible.
  void startDwellTracking(String contentType, String contentId) {
    _dwell.start(contentType, contentId);
  }

  /// Stops to measure, and tracks a view event with the duration. Returns its
  /// id, or null if the content was not measured.
  String? stopDwellTracking(String contentType, String contentId) {
    final visible = _dwell.stop(contentType, contentId);
    if (visible == null) {
      return null;
    }
    return track(ViewEvent(
      contentType: contentType,
      contentId: contentId,
      viewDuration: visible.inMilliseconds / Duration.millisecondsPerSecond,
    ));
  }

  /// Tells the client that the app is in the background: the queue is written
  /// through to the disk and sent, and dwell times stand still.
  void pause() {
    _session.pause();
    _dwell.pause();
    _queue.sync();
    _sendAll();
  }

  /// Tells the client that the app is in the foreground again.
  void resume() {
    _session.resume();
    _dwell.resume();
    _sendAll();
  }

  /// Sends what is queued, and waits at most [timeout] for it. Returns the
  /// number of events that are still queued.
  ///
  /// The delays that retries have to observe apply here, too.
  Future<int> flush({Duration timeout = const Duration(seconds: 30)}) async {
    final expired = Completer<void>();
    final timer = Timer(timeout, expired.complete);
    await Future.any([_sendUntilEmpty(expired), expired.future]);
    timer.cancel();
    return pending;
  }

  /// Sends what is queued for at most [timeout], and closes the client.
  ///
  /// What remains is sent by the next client with the same state. Without
  /// durable state it is dropped.
  Future<void> close({Duration timeout = const Duration(seconds: 5)}) =>
      _close ??= _flushAndClose(timeout);

  Future<void> _flushAndClose(Duration timeout) async {
    await flush(timeout: timeout);
    _closed = true;
    _wake();
    _timer?.cancel();
    _transport.close();
    // A transport may take its time to notice that it was closed.
    await _run?.timeout(const Duration(seconds: 1), onTimeout: () {});
    final store = _store;
    if (store == null || !store.isDurable) {
      for (final event in _queue.events) {
        _drop(event.id, '${event.json['eventType']}', DropReason.closed);
      }
    }
    _queue.sync();
    _queue.close();
    try {
      store?.close();
    } catch (error) {
      _report(error);
    }
  }

  Future<void> _sendUntilEmpty(Completer<void> expired) async {
    await _ready;
    while (_queue.length > 0 && !_closed && !expired.isCompleted) {
      _sendAll();
      await _run;
    }
  }

  void _sendAll() {
    _due = _queue.length;
    _send();
  }

  void _send() {
    if (_run == null && _store != null && !_closed) {
      _run = _sendDue().whenComplete(() => _run = null);
    }
  }

  Future<void> _sendDue() async {
    // Lets a burst of calls of `track` become one batch.
    await Future<void>.value();
    while (!_closed && _queue.length > 0) {
      if (_queue.length >= flushAt) {
        _due = _queue.length;
      }
      if (_due == 0) {
        break;
      }
      final removed = _queue.removed;
      final delay = await _sender.sendBatch();
      _due = max(0, _due - (_queue.removed - removed));
      if (delay > Duration.zero) {
        await _sleep(delay);
      }
    }
    _timer?.cancel();
    _timer =
        _queue.length > 0 && !_closed ? Timer(flushInterval, _sendAll) : null;
  }

  /// Waits until [delay] has passed or the client is closed.
  Future<void> _sleep(Duration delay) async {
    final woken = _sleeping = Completer<void>();
    final timer = Timer(delay, _wake);
    await woken.future;
    timer.cancel();
  }

  void _wake() {
    _sleeping?.complete();
    _sleeping = null;
  }

  String? _drop(String id, String eventType, DropReason reason) {
    _call(() => onDropped?.call(DroppedEvent(id, eventType, reason)));
    return null;
  }

  void _report(Object problem) => _call(() => onProblem?.call(problem));

  /// Calls back into the app, whose errors must not stop the client.
  void _call(void Function() callback) {
    try {
      callback();
    } catch (_) {
      // Nobody is left to tell.
    }
  }
}
