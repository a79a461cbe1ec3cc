import 'package:analytics_service/analytics_service.dart';
import 'package:analytics_service/src/dwell.dart';
import 'package:analytics_service/src/ids.dart';
import 'package:testing/testing.dart';

import 'fakes.dart';

/// Declares the tests of sessions, dwell times, ids and defaults.
void main() {
  test('less than 5 minutes in the background keep the session', () async {
    final stage = Stage();
    final id = stage.analytics.sessionId;
    stage.time.run(stage.analytics.pause);
    await stage.pass(seconds: 299);
    stage.time.run(stage.analytics.resume);
    expect(stage.analytics.sessionId, id);
    // An hour in the foreground does not end it.
    await stage.pass(minutes: 60);
    expect(stage.analytics.sessionId, id);
  });

  test('5 minutes in the background begin a new session', () async {
    final stage = Stage();
    final id = stage.analytics.sessionId;
    stage.time.run(stage.analytics.pause);
    await stage.pass(minutes: 5);
    stage.time.run(stage.analytics.resume);
    check(stage.analytics.sessionId != id, 'the session is the same');
  });

  test('the session of an event is the one of its time', () async {
    final stage = Stage()..trackViews(1);
    stage.service.faults.addAll(List.filled(3, StateError('no network')));
    stage.time.run(stage.analytics.pause);
    await stage.pass(minutes: 6);
    stage.time.run(stage.analytics.resume);
    stage.trackViews(1);
    await stage.pass(minutes: 3);
    final sessions = {
      for (final event in stage.service.stored.values) event['sessionId']
    };
    expect(sessions.length, 2);
  });

  test('the background sends what is queued', () async {
    final stage = Stage()..trackViews(3);
    stage.time.run(stage.analytics.pause);
    await settle();
    expect(stage.service.sizes, [3]);
  });

  test('dwell time is the time in the foreground', () async {
    final stage = Stage();
    stage.analytics.startDwellTracking('post', 'p1');
    await stage.pass(seconds: 10);
    stage.time.run(stage.analytics.pause);
    await stage.pass(seconds: 100);
    stage.time.run(stage.analytics.resume);
    await stage.pass(seconds: 5);
    stage.time.run(() => stage.analytics.stopDwellTracking('post', 'p1'));
    await stage.pass(seconds: 30);
    final data = stage.service.stored.values.single['data']! as Map;
    expect(
        data, {'contentType': 'post', 'contentId': 'p1', 'viewDuration': 15.0});
  });

  test('contents that were not started have no dwell time', () {
    final stage = Stage();
    expect(stage.analytics.stopDwellTracking('post', 'p1'), null);
    stage.analytics.startDwellTracking('post', 'p1');
    expect(stage.analytics.stopDwellTracking('pos', 'tp1'), null);
    check(
        stage.time.run(() => stage.analytics.stopDwellTracking('post', 'p1')) !=
            null,
        'it was started');
    expect(stage.analytics.stopDwellTracking('post', 'p1'), null);
  });

  test('a dwell timer is bounded in number and in time', () {
    var elapsed = Duration.zero;
    final timer = DwellTimer(() => elapsed);
    for (var number = 0; number < DwellTimer.maxOpen; number += 1) {
      check(timer.start('post', '$number'), 'refused $number');
    }
    check(!timer.start('post', 'one more'), 'accepted one more');
    check(!timer.start('post', '1'), 'started twice');
    elapsed = const Duration(days: 3);
    expect(timer.stop('post', '1'), const Duration(days: 1));
  });

  test('a dwell that starts in the background begins in the foreground', () {
    var elapsed = Duration.zero;
    final timer = DwellTimer(() => elapsed)..pause();
    timer.start('post', '1');
    elapsed = const Duration(seconds: 9);
    timer.resume();
    elapsed = const Duration(seconds: 10);
    expect(timer.stop('post', '1'), const Duration(seconds: 1));
  });

  test('ids are UUIDv7, unique and in order, also if the clock goes back', () {
    var now =
        DateTime.fromMicrosecondsSinceEpoch(0x0123456789ab * 1000, isUtc: true);
    final source = IdSource(() => now);
    final ids = <String>[];
    for (var number = 0; number < 10000; number += 1) {
      if (number == 5000) {
        now = now.subtract(const Duration(days: 1));
      }
      ids.add(source.next());
    }
    final pattern = RegExp(
        r'^01234567-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$');
    check(ids.every(pattern.hasMatch), ids.first);
    check(ids.first.startsWith('01234567-89ab-7000-'), ids.first);
    expect([...ids]..sort(), ids);
    expect(ids.toSet().length, ids.length);
  });

  test('a purchase without a currency gets the default', () async {
    final stage = Stage();
    stage.time.run(() {
      stage.analytics.track(
          const PurchaseEvent(productId: 'p', orderId: 'o', amount: 29.99));
      stage.analytics.trackData('purchase', const {'currency': 'EUR'});
      stage.analytics.trackData('purchase', const {'currency': null});
    });
    await stage.pass(seconds: 30);
    expect([
      for (final event in stage.service.stored.values)
        (event['data']! as Map)['currency']
    ], [
      'USD',
      'EUR',
      'USD'
    ]);
  });
}
