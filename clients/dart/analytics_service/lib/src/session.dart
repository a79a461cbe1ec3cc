/// Knows the session that events belong to.
///
/// A session begins with the process, and a new one begins when the app has
/// been in the background for [timeout].
class SessionTracker {
  /// Makes a tracker that reads the time from [now] and ids from [newId].
  SessionTracker(this._now, this._newId, this.timeout) : _id = _newId();

  final DateTime Function() _now;
  final String Function() _newId;

  /// How long the app may be in the background without a new session.
  final Duration timeout;

  String _id;
  DateTime? _backgroundSince;

  /// The id of the session of an event that happens now.
  String get id {
    final since = _backgroundSince;
    if (since != null && _now().difference(since) >= timeout) {
      _id = _newId();
      _backgroundSince = _now();
    }
    return _id;
  }

  /// The app went to the background.
  void pause() => _backgroundSince ??= _now();

  /// The app came back.
  void resume() {
    id; // begins a new session if the time is up
    _backgroundSince = null;
  }
}
