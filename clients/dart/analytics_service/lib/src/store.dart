/// Keeps the state of a client between runs: a log that only grows until it is
/// replaced, and the anonymous id.
///
/// All calls are synchronous, so that an event is in the log when `track`
/// returns.
abstract class Store {
  /// Whether the state outlives the process.
  bool get isDurable;

  /// Reads the log: complete lines only. A line that was cut off by a crash is
  /// removed from the log.
  List<String> readLog();

  /// The size of the log in bytes.
  int get logBytes;

  /// Appends a line. After an error the log is as it was before.
  void appendLog(String line);

  /// Replaces the log by [lines]. After a crash the log is the old one or the
  /// new one.
  void replaceLog(List<String> lines);

  /// Writes the log through to the disk.
  void sync();

  /// The anonymous id, or null if none has been written.
  String? readAnonymousId();

  /// Writes the anonymous id.
  void writeAnonymousId(String id);

  /// Releases the store.
  void close();
}

/// The state is in use by another process.
class StoreInUseException implements Exception {
  /// Makes an exception for a state folder.
  const StoreInUseException(this.folder);

  /// The state folder.
  final String folder;

  @override
  String toString() =>
      'The state folder $folder is in use by another process. Give each process a folder of its own.';
}

/// A store that lasts as long as the process.
class MemoryStore implements Store {
  @override
  bool get isDurable => false;

  List<String> _lines = [];
  String? _anonymousId;

  @override
  List<String> readLog() => List.of(_lines);

  @override
  int get logBytes => _lines.fold(0, (sum, line) => sum + line.length + 1);

  @override
  void appendLog(String line) => _lines.add(line);

  @override
  void replaceLog(List<String> lines) => _lines = List.of(lines);

  @override
  void sync() {}

  @override
  String? readAnonymousId() => _anonymousId;

  @override
  void writeAnonymousId(String id) => _anonymousId = id;

  @override
  void close() {}
}
