import 'dart:convert';

import 'store.dart';

/// An event as it was frozen by `track`, in its JSON form.
class QueuedEvent {
  /// Makes an event from its JSON form, which has an `eventId`.
  QueuedEvent(this.json, this.bytes) : id = json['eventId']! as String;

  /// Makes an event from the JSON text of it.
  factory QueuedEvent.fromText(String text) => QueuedEvent(
      jsonDecode(text) as Map<String, Object?>, utf8.encode(text).length);

  /// The id of the event.
  final String id;

  /// The event without `sentAt`.
  final Map<String, Object?> json;

  /// The size of its JSON text.
  final int bytes;
}

/// The events that the service has not acknowledged yet, oldest first, in
/// memory and in the log of a [Store].
///
/// A line of the log is `{"event": {...}}` or `{"done": [ids]}`. When the log
/// has twice the size that the queue may have, it is written anew.
class EventQueue {
  /// Makes a queue of at most [maxEvents] and [maxBytes], whichever is less.
  ///
  /// [onDropped] is called for an event that is dropped because the queue is
  /// full, and [onProblem] if the store fails.
  EventQueue({
    required this.maxEvents,
    required this.maxBytes,
    required this.onDropped,
    required this.onProblem,
  });

  /// The largest number of events.
  final int maxEvents;

  /// The largest size of all events together.
  final int maxBytes;

  /// Called with an event that is dropped.
  final void Function(QueuedEvent) onDropped;

  /// Called with what went wrong in the store.
  final void Function(Object) onProblem;

  final Map<String, QueuedEvent> _events = {};
  int _bytes = 0;
  Store? _store;
  int _inFlight = 0;
  int _removed = 0;

  /// The number of events.
  int get length => _events.length;

  /// The events, oldest first.
  List<QueuedEvent> get events => List.of(_events.values);

  /// How many events have been removed so far.
  int get removed => _removed;

  /// Opens the log: its events come before those that were added until now,
  /// which are appended to it.
  void open(Store store) {
    final added = _events.values.toList();
    _events.clear();
    _bytes = 0;
    try {
      for (final line in store.readLog()) {
        _readLine(line);
      }
    } catch (error) {
      onProblem(error);
    }
    _store = store;
    added.forEach(add);
  }

  void _readLine(String line) {
    Object? record;
    try {
      record = jsonDecode(line);
    } on FormatException {
      onProblem(const FormatException('A line of the queue is damaged.'));
      return;
    }
    if (record is! Map<String, Object?>) {
      return;
    }
    final event = record['event'];
    if (event is Map<String, Object?> && event['eventId'] is String) {
      _put(QueuedEvent(event, utf8.encode(line).length));
    }
    final done = record['done'];
    if (done is List) {
      done.forEach(_forget);
    }
  }

  /// Adds an event. It is in the log when this returns, unless the store fails
  /// or is not open yet. The oldest events are dropped if there is no room.
  void add(QueuedEvent event) {
    _append({'event': event.json});
    _put(event);
    if (_events.length <= maxEvents && _bytes <= maxBytes) {
      return;
    }
    final excess = <QueuedEvent>[];
    var bytes = _bytes;
    // Events of a request under way may be stored already: they stay.
    for (final oldest in _events.values.skip(_inFlight)) {
      final fits =
          _events.length - excess.length <= maxEvents && bytes <= maxBytes;
      if (fits || oldest.id == event.id) {
        break;
      }
      excess.add(oldest);
      bytes -= oldest.bytes;
    }
    excess.forEach(onDropped);
    remove(excess);
  }

  /// The first events, at most [count] of at most [maxBytes] together; at least
  /// one if there is one. They are not dropped until [release] is called.
  List<QueuedEvent> take(int count, int maxBytes) {
    final batch = <QueuedEvent>[];
    var bytes = 0;
    for (final event in _events.values.take(count)) {
      bytes += event.bytes;
      if (batch.isNotEmpty && bytes > maxBytes) {
        break;
      }
      batch.add(event);
    }
    _inFlight = batch.length;
    return batch;
  }

  /// Ends what [take] began.
  void release() => _inFlight = 0;

  /// Removes events that the service has acknowledged, or that are given up.
  void remove(List<QueuedEvent> events) {
    if (events.isEmpty) {
      return;
    }
    for (final event in events) {
      _forget(event.id);
    }
    _removed += events.length;
    final store = _store;
    if (store == null) {
      return;
    }
    try {
      if (_events.isEmpty || store.logBytes > 2 * maxBytes) {
        store.replaceLog([
          for (final event in _events.values) jsonEncode({'event': event.json})
        ]);
      } else {
        store.appendLog(jsonEncode({
          'done': [for (final event in events) event.id]
        }));
      }
    } catch (error) {
      onProblem(error);
    }
  }

  /// Writes the log through to the disk.
  void sync() {
    try {
      _store?.sync();
    } catch (error) {
      onProblem(error);
    }
  }

  /// Stops to use the store.
  void close() => _store = null;

  void _append(Map<String, Object?> record) {
    try {
      _store?.appendLog(jsonEncode(record));
    } catch (error) {
      onProblem(error);
    }
  }

  void _put(QueuedEvent event) {
    _forget(event.id);
    _events[event.id] = event;
    _bytes += event.bytes;
  }

  void _forget(Object? id) {
    final event = _events.remove(id);
    if (event != null) {
      _bytes -= event.bytes;
    }
  }
}
