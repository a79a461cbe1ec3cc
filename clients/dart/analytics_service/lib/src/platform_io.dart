import 'dart:async';
import 'dart:convert';
import 'dart:io';
import 'dart:typed_data';

import 'store.dart';
import 'transport.dart';

/// The value of `platform` for events: "android", "ios", or null elsewhere.
String? defaultPlatform() =>
    Platform.isAndroid || Platform.isIOS ? Platform.operatingSystem : null;

/// Makes the transport of this platform.
Transport defaultTransport() => HttpTransport();

/// Opens the state in [folder]; without a folder, it lasts as long as the
/// process.
///
/// Throws a [StoreInUseException] if another process has it open, and a
/// [FileSystemException] if it cannot be read or written.
Store openStore(String? folder) =>
    folder == null ? MemoryStore() : FileStore(folder);

/// A transport over `dart:io`.
class HttpTransport implements Transport {
  static const Duration _connectTimeout = Duration(seconds: 10);

  final HttpClient _client = HttpClient()..connectionTimeout = _connectTimeout;

  @override
  Future<TransportResponse> post(
    Uri uri,
    Map<String, String> headers,
    String body,
    Duration timeout,
  ) async {
    HttpClientRequest? request;
    try {
      return await _exchange(uri, headers, body, (made) => request = made)
          .timeout(timeout);
    } on TimeoutException {
      request?.abort();
      rethrow;
    }
  }

  Future<TransportResponse> _exchange(
    Uri uri,
    Map<String, String> headers,
    String body,
    void Function(HttpClientRequest) made,
  ) async {
    final request = await _client.postUrl(uri);
    made(request);
    request.followRedirects = false;
    headers.forEach(request.headers.set);
    final bytes = utf8.encode(body);
    request.contentLength = bytes.length;
    request.add(bytes);
    final response = await request.close();
    final received = BytesBuilder(copy: false);
    await for (final chunk in response) {
      received.add(chunk);
      if (received.length > TransportResponse.maxBodyBytes) {
        throw const HttpException('The response is too large.');
      }
    }
    return TransportResponse(
      response.statusCode,
      utf8.decode(received.takeBytes(), allowMalformed: true),
      retryAfter: response.headers.value(HttpHeaders.retryAfterHeader),
    );
  }

  @override
  void close() => _client.close(force: true);
}

/// A store in files of a folder: `queue.log`, `anonymous_id`, and `lock`, which
/// one process holds at a time.
///
/// A line is written to the operating system before [appendLog] returns, so it
/// survives the death of the process. [sync] waits for the disk, so what is
/// written before it survives a loss of power.
class FileStore implements Store {
  /// Opens the store, and makes the folder if there is none.
  FileStore(this.folder) {
    Directory(folder).createSync(recursive: true);
    _lock = File('$folder/lock').openSync(mode: FileMode.append);
    try {
      _lock.lockSync(FileLock.exclusive);
    } on FileSystemException {
      _lock.closeSync();
      throw StoreInUseException(folder);
    }
    try {
      _log = _openLog();
    } on FileSystemException {
      _lock.closeSync();
      rethrow;
    }
  }

  static const int _newline = 10;

  @override
  bool get isDurable => true;

  /// The folder of the files.
  final String folder;

  late final RandomAccessFile _lock;
  late RandomAccessFile _log;
  int _logBytes = 0;

  File get _logFile => File('$folder/queue.log');
  File get _idFile => File('$folder/anonymous_id');

  RandomAccessFile _openLog() {
    final log = _logFile.openSync(mode: FileMode.append);
    _logBytes = log.lengthSync();
    return log;
  }

  @override
  List<String> readLog() {
    final bytes = _logFile.readAsBytesSync();
    final end = bytes.lastIndexOf(_newline) + 1;
    if (end < bytes.length) {
      _log.truncateSync(end);
      _log.setPositionSync(end);
    }
    _logBytes = end;
    final whole = Uint8List.sublistView(bytes, 0, end);
    return const LineSplitter()
        .convert(utf8.decode(whole, allowMalformed: true));
  }

  @override
  int get logBytes => _logBytes;

  @override
  void appendLog(String line) {
    final bytes = utf8.encode('$line\n');
    try {
      _log.writeFromSync(bytes);
    } on FileSystemException {
      // Part of the line may be written, for example on a full disk.
      _log.truncateSync(_logBytes);
      _log.setPositionSync(_logBytes);
      rethrow;
    }
    _logBytes += bytes.length;
  }

  @override
  void replaceLog(List<String> lines) {
    if (lines.isEmpty) {
      // Atomic, and needs no disk: a log that comes back after a loss of power
      // is sent once more.
      _log.truncateSync(0);
      _log.setPositionSync(0);
      _logBytes = 0;
      return;
    }
    final text = lines.map((line) => '$line\n').join();
    final fresh = File('$folder/queue.new')
      ..writeAsStringSync(text, flush: true);
    _log.closeSync();
    try {
      fresh.renameSync(_logFile.path);
    } finally {
      _log = _openLog();
    }
  }

  @override
  void sync() => _log.flushSync();

  @override
  String? readAnonymousId() {
    if (!_idFile.existsSync()) {
      return null;
    }
    final id = _idFile.readAsStringSync().trim();
    return id.isEmpty ? null : id;
  }

  @override
  void writeAnonymousId(String id) {
    File('$folder/anonymous_id.new')
      ..writeAsStringSync('$id\n', flush: true)
      ..renameSync(_idFile.path);
  }

  @override
  void close() {
    _log.closeSync();
    _lock.closeSync();
  }
}
