import 'dart:math';

/// Makes UUIDv7 texts (RFC 9562). Each id of a source is greater than the one
/// before.
///
/// The 12 bits after the version hold the fraction of the millisecond. If ids
/// are made faster than that clock ticks, it runs ahead. 62 bits are random.
class IdSource {
  /// Makes a source that reads the time from [now].
  IdSource(this._now, {Random? random}) : _random = random ?? Random.secure();

  static const int _ticksPerMs = 4096;

  final DateTime Function() _now;
  final Random _random;
  int _lastTick = 0;

  /// Makes an id, for example "01890a5d-ac96-774b-bcce-b302099a8057".
  String next() {
    final tick = _now().microsecondsSinceEpoch * _ticksPerMs ~/ 1000;
    _lastTick = max(tick, _lastTick + 1);
    final time = _hex(_lastTick ~/ _ticksPerMs, 12);
    final fraction = _hex(_lastTick % _ticksPerMs, 3);
    final variant = _hex(0x8000 + _random.nextInt(0x4000), 4);
    final tail =
        _hex(_random.nextInt(1 << 24), 6) + _hex(_random.nextInt(1 << 24), 6);
    return '${time.substring(0, 8)}-${time.substring(8)}-7$fraction-$variant-$tail';
  }

  static String _hex(int number, int digits) =>
      number.toRadixString(16).padLeft(digits, '0');
}
