/// Measures how long contents are visible while the app is in the foreground.
class DwellTimer {
  /// Makes a timer. [elapsed] is a clock that only moves forward.
  DwellTimer(this._elapsed);

  /// The largest number of contents that are measured at a time. An app that
  /// exceeds it starts measurements that it never stops.
  static const int maxOpen = 100;

  /// The largest duration that a view event may have.
  static const Duration maxDuration = Duration(days: 1);

  final Duration Function() _elapsed;
  final Map<String, _Dwell> _open = {};
  bool _paused = false;

  /// Starts to measure a content. Returns false if it is measured already, or
  /// if there are [maxOpen] others.
  bool start(String contentType, String contentId) {
    final key = _key(contentType, contentId);
    if (_open.containsKey(key) || _open.length >= maxOpen) {
      return false;
    }
    _open[key] = _Dwell(_paused ? null : _elapsed());
    return true;
  }

  /// Stops and returns how long the content was visible, or null if it is not
  /// measured.
  Duration? stop(String contentType, String contentId) {
    final dwell = _open.remove(_key(contentType, contentId));
    if (dwell == null) {
      return null;
    }
    dwell.pause(_elapsed());
    return dwell.total > maxDuration ? maxDuration : dwell.total;
  }

  /// The app went to the background: nothing is visible.
  void pause() {
    _paused = true;
    for (final dwell in _open.values) {
      dwell.pause(_elapsed());
    }
  }

  /// The app came back.
  void resume() {
    _paused = false;
    for (final dwell in _open.values) {
      dwell.since ??= _elapsed();
    }
  }

  static String _key(String type, String id) => '${type.length}:$type$id';
}

class _Dwell {
  _Dwell(this.since);

  Duration? since;
  Duration total = Duration.zero;

  void pause(Duration now) {
    final start = since;
    if (start != null) {
      total += now - start;
      since = null;
    }
  }
}
