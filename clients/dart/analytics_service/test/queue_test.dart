import 'dart:io';

import 'package:analytics_service/analytics_service.dart';
import 'package:analytics_service/src/platform_io.dart';
import 'package:testing/testing.dart';

import 'fakes.dart';

/// Declares the tests of the queue and its file.
void main() {
  test('a queue of 1,000 events drops the oldest, and says which', () async {
    final stage = Stage();
    stage.service.faults.addAll(List.filled(100, StateError('no network')));
    final ids = stage.trackViews(1003);
    expect([for (final event in stage.dropped) event.eventId], ids.take(3));
    expect(stage.dropped.first.reason, DropReason.queueFull);
    expect(stage.dropped.first.eventType, 'view');
    expect(stage.analytics.pending, 1000);
  });

  test('a queue has at most so many bytes', () {
    final stage = Stage(maxQueueBytes: 10000);
    stage.service.faults.addAll(List.filled(100, StateError('no network')));
    final ids = stage.trackViews(100);
    check(stage.dropped.length > 10, '${stage.dropped.length}');
    expect([for (final event in stage.dropped) event.eventId],
        ids.take(stage.dropped.length));
  });

  test('events of a request under way are not dropped', () async {
    final stage = Stage(maxQueueEvents: 30);
    stage.service.faultsAfterCommit.add(StateError('connection reset'));
    final first = stage.trackViews(20);
    await settle();
    final later = stage.time.run(() => stage.trackViews(11));
    expect(stage.dropped.length, 1);
    await stage.pass(minutes: 2);
    expect(stage.service.stored.length, 31);
    check(later.every(stage.service.stored.containsKey), 'the newest are lost');
    check(first.every(stage.service.stored.containsKey), 'the first are lost');
  });

  test('what cannot be JSON, and what is too large, is dropped and reported',
      () {
    final stage = Stage();
    final analytics = stage.analytics;
    expect(analytics.trackData('view', {'x': double.nan}), null);
    expect(analytics.trackData('view', {'x': Object()}), null);
    expect(analytics.trackData('view', {'x': 'y' * 60000}), null);
    expect([
      for (final event in stage.dropped) event.reason
    ], [
      DropReason.notJson,
      DropReason.notJson,
      DropReason.tooLarge,
    ]);
    expect(analytics.pending, 0);
  });

  test('a new client sends what an earlier one left in the file', () async {
    await inFolder((folder) async {
      final first = Stage(store: FileStore(folder));
      final ids = first.trackViews(5);
      first.store.close(); // as a kill does
      final second = Stage(store: FileStore(folder));
      await settle();
      expect(second.service.stored.keys.toList(), ids);
      expect(File('$folder/queue.log').lengthSync(), 0);
      second.store.close();
    });
  });

  test('an acknowledged event is not sent again by the next client', () async {
    await inFolder((folder) async {
      final first = Stage(store: FileStore(folder))..trackViews(20);
      final later = [...first.trackViews(100)];
      first.service.faults.add(const TransportResponse(413, ''));
      await settle();
      first.service.faults.addAll(List.filled(9, StateError('no network')));
      later.addAll(first.trackViews(25));
      await settle();
      first.store.close();
      final second = Stage(store: FileStore(folder));
      expect(second.analytics.pending, 25);
      second.store.close();
    });
  });

  test('a line that was cut off is removed, and all others are read', () async {
    await inFolder((folder) async {
      final first = Stage(store: FileStore(folder));
      final ids = first.trackViews(3);
      first.store.close();
      final file = File('$folder/queue.log');
      final whole = file.readAsBytesSync();
      for (var cut = 1; cut < 40; cut += 1) {
        file.writeAsBytesSync(whole.sublist(0, whole.length - cut));
        final second = Stage(store: FileStore(folder));
        expect(second.analytics.pending, 2);
        second.service.faults.add(StateError('no network'));
        final added = second.trackViews(1).single;
        second.store.close();
        final third = Stage(store: FileStore(folder));
        await settle();
        expect(third.service.stored.keys.toList(), [...ids.take(2), added]);
        third.store.close();
      }
    });
  });

  test('damaged lines are reported, and the others are read', () async {
    await inFolder((folder) async {
      final first = Stage(store: FileStore(folder))..trackViews(2);
      first.store.close();
      final file = File('$folder/queue.log');
      file.writeAsStringSync(
          '\u0000\u0000{"even\n17\n${file.readAsStringSync()}');
      final second = Stage(store: FileStore(folder));
      expect(second.analytics.pending, 2);
      expect(second.problems.length, 1);
      second.store.close();
    });
  });

  test('the file is written anew before it has twice the size of the queue',
      () async {
    await inFolder((folder) async {
      final stage = Stage(store: FileStore(folder), maxQueueBytes: 5000);
      stage.service.faults.addAll(List.filled(1000, StateError('no network')));
      final ids = stage.trackViews(500);
      check(stage.store.logBytes < 11000, '${stage.store.logBytes}');
      expect(stage.store.logBytes, File('$folder/queue.log').lengthSync());
      final kept = ids.skip(stage.dropped.length).toList();
      stage.store.close();
      final second = Stage(store: FileStore(folder));
      await settle();
      expect(second.service.stored.keys.toList(), kept);
      second.store.close();
    });
  });

  test('a folder that cannot be used leaves the queue in memory', () async {
    final problems = <Object>[];
    final service = FakeService();
    final analytics = Analytics(
        endpoint: Uri.parse('http://service'),
        stateFolder: '/dev/null/folder',
        transport: service,
        onProblem: problems.add);
    check(problems.single is FileSystemException, '$problems');
    check(analytics.trackData('view', const {}) != null, 'it was dropped');
    expect(await analytics.flush(), 0);
    expect(service.stored.length, 1);
    await analytics.close();
  });

  test('a disk that refuses writes leaves events in memory', () async {
    final stage = Stage(store: FullStore())..trackViews(20);
    await settle();
    expect(stage.service.stored.length, 20);
    check(stage.problems.length >= 20, '${stage.problems}');
  });

  test('a store that opens late gets the events tracked until then', () async {
    await inFolder((folder) async {
      final first = Stage(store: FileStore(folder));
      final old = first.trackViews(1);
      first.store.close();
      final time = FakeTime();
      final service = FakeService();
      final analytics = time.run(() => Analytics(
          endpoint: Uri.parse('http://service'),
          store: Future<Store>.delayed(
              const Duration(seconds: 1), () => FileStore(folder)),
          transport: service));
      final added = time.run(() => analytics.trackData('view', const {}));
      expect(analytics.anonymousId, null);
      await time.pass(const Duration(seconds: 60));
      expect(service.stored.keys.toList(), [...old, added]);
      final closed = time.run(analytics.close);
      await time.pass(const Duration(seconds: 10));
      await closed;
    });
  });

  test('the anonymous id stays the same', () async {
    await inFolder((folder) async {
      final ids = <String?>{};
      for (var run = 0; run < 3; run += 1) {
        final stage = Stage(store: FileStore(folder));
        ids.add(stage.analytics.anonymousId);
        stage.store.close();
      }
      expect(ids.length, 1);
      check(ids.single!.length == 36, '$ids');
    });
  });
}

/// Runs [body] with a folder of its own, which is removed afterwards.
Future<void> inFolder(Future<void> Function(String) body) async {
  final folder = Directory.systemTemp.createTempSync('analytics-test-');
  try {
    await body(folder.path);
  } finally {
    folder.deleteSync(recursive: true);
  }
}

/// A store on a disk that is full.
class FullStore extends MemoryStore {
  @override
  void appendLog(String line) =>
      throw const FileSystemException('No space left on device');

  @override
  void replaceLog(List<String> lines) =>
      throw const FileSystemException('No space left on device');
}
