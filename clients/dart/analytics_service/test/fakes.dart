import 'dart:convert';

import 'package:analytics_service/analytics_service.dart';
import 'package:testing/testing.dart';

/// A service in memory: stores events by their id, and fails as it is told.
class FakeService implements Transport {
  /// What it has stored, by id.
  final Map<String, Map<String, Object?>> stored = {};

  /// The numbers of events of the requests so far.
  final List<int> sizes = [];

  /// The bodies of the requests so far.
  final List<Map<String, Object?>> bodies = [];

  /// What the next requests meet, in order: a response, or an error to throw.
  final List<Object> faults = [];

  /// What the next requests meet after their events were stored.
  final List<Object> faultsAfterCommit = [];

  /// Refuses a batch as a whole, if this answers a response.
  TransportResponse? Function(List<Map<String, Object?>>)? refuse;

  /// Rejects an event of a batch, if this answers true.
  bool Function(Map<String, Object?>)? isInvalid;

  /// Where the last request went.
  Uri? uri;

  /// The headers of the last request.
  Map<String, String> headers = {};

  @override
  Future<TransportResponse> post(Uri uri, Map<String, String> headers,
      String body, Duration timeout) async {
    this.uri = uri;
    this.headers = headers;
    final json = jsonDecode(body) as Map<String, Object?>;
    final events = (json['events']! as List).cast<Map<String, Object?>>();
    bodies.add(json);
    sizes.add(events.length);
    final refusal = refuse?.call(events);
    if (faults.isNotEmpty) {
      return _fail(faults.removeAt(0));
    }
    if (refusal != null) {
      return refusal;
    }
    final rejections = <Object>[];
    for (var index = 0; index < events.length; index += 1) {
      final id = events[index]['eventId']! as String;
      if (isInvalid?.call(events[index]) ?? false) {
        rejections.add({
          'index': '$index',
          'eventId': id,
          'reason': 'INVALID_EVENT',
          'violations': [
            {'field': 'data.x', 'rule': 'REQUIRED', 'description': 'is missing'}
          ]
        });
      } else {
        stored[id] = events[index];
      }
    }
    if (faultsAfterCommit.isNotEmpty) {
      return _fail(faultsAfterCommit.removeAt(0));
    }
    return TransportResponse(200,
        jsonEncode({'received': '${events.length}', 'rejections': rejections}));
  }

  TransportResponse _fail(Object fault) {
    if (fault is TransportResponse) {
      return fault;
    }
    throw fault;
  }

  @override
  void close() {}
}

/// A client with a service, a clock and lists of what it reported.
class Stage {
  /// Makes a stage. The client begins at once.
  Stage({
    Store? store,
    int maxQueueEvents = 1000,
    int maxQueueBytes = 1000000,
  }) : store = store ?? MemoryStore() {
    analytics = time.run(() => Analytics(
          endpoint: Uri.parse('http://service:3006'),
          store: this.store,
          transport: service,
          maxQueueEvents: maxQueueEvents,
          maxQueueBytes: maxQueueBytes,
          now: () => time.now,
          elapsed: () => time.elapsed,
          onRejected: rejected.add,
          onDropped: dropped.add,
          onProblem: problems.add,
        ));
  }

  /// Its clock.
  final FakeTime time = FakeTime();

  /// Its service.
  final FakeService service = FakeService();

  /// Its state.
  final Store store;

  /// What was rejected.
  final List<RejectedEvent> rejected = [];

  /// What was dropped.
  final List<DroppedEvent> dropped = [];

  /// What went wrong.
  final List<Object> problems = [];

  /// The client.
  late final Analytics analytics;

  /// Tracks [count] views and returns their ids.
  List<String> trackViews(int count) => time.run(() => [
        for (var number = 0; number < count; number += 1)
          analytics
              .track(ViewEvent(contentType: 'post', contentId: 'post-$number'))!
      ]);

  /// Moves the clock.
  Future<void> pass({int seconds = 0, int minutes = 0}) =>
      time.pass(Duration(seconds: seconds, minutes: minutes));
}
