import 'dart:math';

import 'package:analytics_service/analytics_service.dart';
import 'package:analytics_service/src/retry.dart';
import 'package:testing/testing.dart';

import 'fakes.dart';

const TransportResponse unavailable =
    TransportResponse(503, '{"reason": "SERVER_AWAY"}', retryAfter: '7');

/// Declares the tests of batches and retries.
void main() {
  test('nineteen events wait for 30 s, and then go in one request', () async {
    final stage = Stage();
    final ids = stage.trackViews(19);
    await stage.pass(seconds: 29);
    expect(stage.service.sizes, <int>[]);
    await stage.pass(seconds: 1);
    expect(stage.service.sizes, [19]);
    expect(stage.service.stored.keys.toList(), ids);
    expect(stage.analytics.pending, 0);
    expect(
        '${stage.service.uri}', 'http://service:3006/analytics/events/batch');
    expect(stage.service.headers['content-type'], 'application/json');
  });

  test('the twentieth event sends all of them at once', () async {
    final stage = Stage()..trackViews(20);
    await settle();
    expect(stage.service.sizes, [20]);
  });

  test('a request has at most 100 events', () async {
    final stage = Stage()..trackViews(250);
    await settle();
    expect(stage.service.sizes, [100, 100, 50]);
  });

  test('each event after a send waits for 30 s of its own', () async {
    final stage = Stage()..trackViews(20);
    await stage.pass(seconds: 10);
    stage.trackViews(1);
    await stage.pass(seconds: 29);
    expect(stage.service.sizes, [20]);
    await stage.pass(seconds: 1);
    expect(stage.service.sizes, [20, 1]);
  });

  test('an event is sent as it was tracked; only sentAt is fresh', () async {
    final stage = Stage();
    stage.service.faults.add(unavailable);
    final data = <String, Object?>{'contentType': 'post', 'contentId': 'p1'};
    stage.time.run(() => stage.analytics.trackData('view', data, userId: 'u'));
    data['contentId'] = 'changed';
    stage.analytics.userId = 'other';
    await stage.pass(seconds: 120);
    expect(stage.service.bodies.length, 2);
    final events = [
      for (final body in stage.service.bodies)
        Map<String, Object?>.of(
            (body['events']! as List).single as Map<String, Object?>)
    ];
    final sentAt = [for (final event in events) event.remove('sentAt')];
    check(sentAt.first != sentAt.last, 'sentAt is not fresh: $sentAt');
    expect(events.first, events.last);
    final event = events.first;
    expect(event['timestamp'], '2026-01-01T12:00:00.000Z');
    expect(event['schemaVersion'], '1.1.0');
    expect(event['sequence'], 0);
    expect(event['sessionId'], stage.analytics.sessionId);
    expect(event['userId'], 'u');
    expect((event['data']! as Map)['contentId'], 'p1');
  });

  test(
      'a network error, 408, 429 and 5xx are retried; nothing is lost or sent '
      'under a new id', () async {
    final faults = <Object>[
      StateError('no network'),
      for (final status in [408, 429, 500, 502, 503, 504])
        TransportResponse(status, ''),
      // A login page, an endpoint that is wrong, and a key that is refused.
      const TransportResponse(200, '<html>'),
      const TransportResponse(404, ''),
      const TransportResponse(401, ''),
    ];
    final stage = Stage();
    stage.service.faults.addAll(faults);
    final ids = stage.trackViews(3);
    await stage.pass(minutes: 20);
    expect(stage.service.sizes, List.filled(faults.length + 1, 3));
    expect(stage.service.stored.keys.toList(), ids);
    expect(stage.problems.length, faults.length);
    expect(stage.rejected.length + stage.dropped.length, 0);
  });

  test('a connection that breaks after the commit stores nothing twice',
      () async {
    final stage = Stage();
    stage.service.faultsAfterCommit.add(StateError('connection reset'));
    final ids = stage.trackViews(20);
    await stage.pass(minutes: 2);
    expect(stage.service.sizes, [20, 20]);
    expect(stage.service.stored.keys.toList(), ids);
    expect(stage.analytics.pending, 0);
  });

  test('retry-after is the least wait, also for flush', () async {
    final stage = Stage();
    stage.service.faults.add(unavailable);
    stage.trackViews(20);
    await settle();
    final flushed = stage.time.run(stage.analytics.flush);
    await stage.pass(seconds: 6);
    expect(stage.service.sizes, [20]);
    await stage.pass(seconds: 1);
    expect(stage.service.sizes, [20, 20]);
    expect(await flushed, 0);
  });

  test('delays are random up to a bound that doubles from 1 to 60 s', () {
    final delays = RetryDelays(random: Highest());
    final bounds = [
      for (var failure = 0; failure < 9; failure += 1)
        delays.next(null).inSeconds
    ];
    expect(bounds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    delays.reset();
    expect(delays.next(null).inSeconds, 1);
    expect(RetryDelays(random: Lowest()).next(null), Duration.zero);
  });

  test('retry-after is seconds or a date, and at most an hour', () {
    final delays = RetryDelays(now: () => DateTime.utc(2026, 1, 1, 12));
    int seconds(String? text) => delays.parseRetryAfter(text).inSeconds;
    expect(seconds('5'), 5);
    expect(seconds('Thu, 01 Jan 2026 12:01:00 GMT'), 60);
    expect(seconds('Thu, 01 Jan 2026 11:01:00 GMT'), 0);
    expect(seconds('99999999999999'), 3600);
    expect(seconds('-1'), 0);
    expect(seconds('soon'), 0);
    expect(seconds(null), 0);
  });

  test('a 400 for a batch finds the event at fault; all others are stored',
      () async {
    final stage = Stage();
    stage.service.refuse = (events) =>
        events.any((event) => (event['data']! as Map)['contentId'] == 'post-57')
            ? const TransportResponse(
                400,
                '{"reason": "BAD_REQUEST", "violations": '
                '[{"field": "data", "rule": "R", "description": "is odd"}]}')
            : null;
    final ids = stage.trackViews(100);
    await settle();
    expect(stage.rejected.single.eventId, ids[57]);
    expect(stage.rejected.single.reason, 'BAD_REQUEST');
    expect('${stage.rejected.single.violations.single}', 'data: is odd (R)');
    expect(stage.service.stored.keys.toSet(), ids.toSet()..remove(ids[57]));
    expect(stage.analytics.pending, 0);
    expect(stage.service.sizes, [100, 50, 25, 12, 6, 3, 1, 1, 42]);
  });

  test('a 413 halves batches, which grow again slowly', () async {
    final stage = Stage();
    stage.service.refuse = (events) =>
        events.length > 30 ? const TransportResponse(413, '') : null;
    stage.trackViews(200);
    await settle();
    expect(stage.service.sizes.take(8), [100, 50, 25, 28, 31, 15, 16, 18]);
    expect(stage.service.stored.length, 200);
    expect(stage.rejected.length, 0);
  });

  test('a single event that is too large is rejected', () async {
    final stage = Stage();
    stage.service.refuse = (events) =>
        const TransportResponse(413, '{"reason": "BODY_TOO_LARGE"}');
    stage.trackViews(3);
    await stage.pass(seconds: 30);
    expect([for (final event in stage.rejected) event.reason],
        List.filled(3, 'BODY_TOO_LARGE'));
    expect(stage.analytics.pending, 0);
  });

  test('events that the service rejects one by one are reported', () async {
    final stage = Stage();
    stage.service.isInvalid =
        (event) => (event['data']! as Map)['contentId'] == 'post-1';
    final ids = stage.trackViews(3);
    await stage.pass(seconds: 30);
    expect(stage.rejected.single.eventId, ids[1]);
    expect(stage.rejected.single.reason, 'INVALID_EVENT');
    expect(stage.rejected.single.violations.single.field, 'data.x');
    expect(stage.service.stored.length, 2);
  });

  test('a callback that throws stops nothing', () async {
    final time = FakeTime();
    final service = FakeService()..isInvalid = (_) => true;
    final analytics = time.run(() => Analytics(
        endpoint: Uri.parse('http://service'),
        transport: service,
        onRejected: (_) => throw StateError('a fault of the app')));
    time.run(() => analytics.trackData('view', const {}));
    await time.pass(const Duration(seconds: 31));
    expect(analytics.pending, 0);
  });

  test('flush gives up after its timeout, and events stay queued', () async {
    final stage = Stage();
    stage.service.faults.addAll(List.filled(100, StateError('no network')));
    stage.trackViews(2);
    final flushed = stage.time
        .run(() => stage.analytics.flush(timeout: const Duration(seconds: 10)));
    await stage.pass(seconds: 10);
    expect(await flushed, 2);
  });

  test('close without durable state reports what it could not send', () async {
    final stage = Stage();
    stage.service.faults.addAll(List.filled(100, StateError('no network')));
    final ids = stage.trackViews(2);
    final closed = stage.time.run(stage.analytics.close);
    await stage.pass(seconds: 10);
    await closed;
    expect([for (final event in stage.dropped) event.eventId], ids);
    expect(stage.analytics.trackData('view', const {}), null);
    expect(stage.dropped.last.reason, DropReason.closed);
  });
}

/// Takes the largest number that is allowed.
class Highest implements Random {
  @override
  int nextInt(int max) => max - 1;

  @override
  double nextDouble() => 1;

  @override
  bool nextBool() => true;
}

/// Takes the smallest number that is allowed.
class Lowest implements Random {
  @override
  int nextInt(int max) => 0;

  @override
  double nextDouble() => 0;

  @override
  bool nextBool() => false;
}
