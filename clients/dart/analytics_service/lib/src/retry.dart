import 'dart:math';

/// Decides how long to wait before a request is sent again.
class RetryDelays {
  /// Makes the delays of one client.
  RetryDelays({Random? random, DateTime Function()? now})
      : _random = random ?? Random(),
        _now = now ?? DateTime.now;

  /// The upper bound of the first delay.
  static const Duration shortest = Duration(seconds: 1);

  /// The upper bound of all delays that the service does not ask for.
  static const Duration longest = Duration(seconds: 60);

  /// The longest delay that a `retry-after` can ask for.
  static const Duration longestAskedFor = Duration(hours: 1);

  final Random _random;
  final DateTime Function() _now;
  int _failures = 0;

  /// Starts again from the shortest delay, after a success.
  void reset() => _failures = 0;

  /// The next delay: random between zero and a bound that doubles with each
  /// failure ("full jitter"), but not shorter than [retryAfter] asks for.
  Duration next(String? retryAfter) {
    final bound = min(
      longest.inMilliseconds,
      // 2 to the 6th seconds exceed the longest delay.
      shortest.inMilliseconds << min(_failures, 6),
    );
    _failures += 1;
    final jitter = Duration(milliseconds: _random.nextInt(bound + 1));
    final asked = parseRetryAfter(retryAfter);
    return asked > jitter ? asked : jitter;
  }

  /// Reads a `retry-after` header: seconds, or a date of HTTP. Zero if it is
  /// absent or cannot be read.
  Duration parseRetryAfter(String? text) {
    if (text == null) {
      return Duration.zero;
    }
    final seconds = int.tryParse(text.trim());
    final delay = seconds != null
        ? Duration(seconds: min(seconds, longestAskedFor.inSeconds))
        : _parseDate(text.trim())?.difference(_now()) ?? Duration.zero;
    if (delay.isNegative) {
      return Duration.zero;
    }
    return delay > longestAskedFor ? longestAskedFor : delay;
  }

  static const List<String> _months = [
    'Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', //
    'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'
  ];

  static final RegExp _date = RegExp(
      r'^[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$');

  static DateTime? _parseDate(String text) {
    final match = _date.firstMatch(text);
    if (match == null || !_months.contains(match[2])) {
      return null;
    }
    int part(int group) => int.parse(match[group]!);
    return DateTime.utc(
      part(3),
      _months.indexOf(match[2]!) + 1,
      part(1),
      part(4),
      part(5),
      part(6),
    );
  }
}
