/// A small test runner, a clock that tests move, and expectations.
///
/// The packages have no dependencies, and this keeps it so.
library testing;

import 'dart:async';
import 'dart:collection';
import 'dart:convert';
import 'dart:io';

final List<_Test> _tests = [];

class _Test {
  _Test(this.name, this.body);

  final String name;
  final FutureOr<void> Function() body;
}

/// Declares a test. Its [name] says what holds.
void test(String name, FutureOr<void> Function() body) =>
    _tests.add(_Test(name, body));

/// Runs the declared tests, prints each failure, and sets the exit code.
Future<void> runTests() async {
  const limit = Duration(seconds: 30);
  var failed = 0;
  for (final each in _tests) {
    try {
      await Future<void>.sync(each.body).timeout(limit);
    } catch (error, trace) {
      failed += 1;
      print('FAILED: ${each.name}\n$error\n$trace');
    }
  }
  print('${_tests.length - failed} of ${_tests.length} tests passed');
  exitCode = failed == 0 && _tests.isNotEmpty ? 0 : 1;
}

/// Fails unless [actual] has the same JSON as [expected], or equals it.
void expect(Object? actual, Object? expected) {
  if (actual != expected && _text(actual) != _text(expected)) {
    throw StateError('expected ${_text(expected)}, got ${_text(actual)}');
  }
}

/// Fails with [what] unless [condition] holds.
void check(bool condition, String what) {
  if (!condition) {
    throw StateError(what);
  }
}

String _text(Object? value) => jsonEncode(value,
    toEncodable: (other) =>
        other is Iterable ? other.toList() : other.toString());

/// A clock that stands still until a test moves it, and the timers that hang
/// on it.
class FakeTime {
  /// The time now.
  DateTime now = DateTime.utc(2026, 1, 1, 12);

  Duration _elapsed = Duration.zero;
  final SplayTreeMap<int, _FakeTimer> _timers = SplayTreeMap();
  int _count = 0;

  /// The time since the test began.
  Duration get elapsed => _elapsed;

  /// Runs [body] with timers that hang on this clock.
  T run<T>(T Function() body) => runZoned(body,
      zoneSpecification: ZoneSpecification(
          createTimer: (self, parent, zone, duration, callback) => _FakeTimer(
              this,
              _elapsed + duration,
              zone.bindCallback(callback),
              _count++)));

  /// Moves the clock, and fires timers when their time has come.
  Future<void> pass(Duration duration) async {
    final end = _elapsed + duration;
    await settle();
    for (;;) {
      final due = _timers.values.where((timer) => timer.at <= end).toList()
        ..sort((a, b) => a.at.compareTo(b.at));
      if (due.isEmpty) {
        break;
      }
      _moveTo(due.first.at);
      due.first.fire();
      await settle();
    }
    _moveTo(end);
  }

  void _moveTo(Duration at) {
    if (at > _elapsed) {
      now = now.add(at - _elapsed);
      _elapsed = at;
    }
  }
}

class _FakeTimer implements Timer {
  _FakeTimer(this._time, this.at, this._callback, this._number) {
    _time._timers[_number] = this;
  }

  final FakeTime _time;
  final Duration at;
  final void Function() _callback;
  final int _number;

  void fire() {
    cancel();
    _callback();
  }

  @override
  void cancel() => _time._timers.remove(_number);

  @override
  bool get isActive => _time._timers.containsKey(_number);

  @override
  int get tick => isActive ? 0 : 1;
}

/// Waits until all that can run without a timer has run.
Future<void> settle() =>
    Zone.root.run(() => Future<void>.delayed(Duration.zero));
