import 'dart:async';
import 'dart:js_interop';
import 'dart:js_interop_unsafe';

import 'store.dart';
import 'transport.dart';

/// The value of `platform` for events: "web".
String? defaultPlatform() => 'web';

/// Makes the transport of this platform.
Transport defaultTransport() => FetchTransport();

/// Opens the state of this tab. Browsers have no folders: [folder] is a prefix
/// of the keys.
Store openStore(String? folder) => WebStore(folder ?? 'analytics_service');

/// A transport over `fetch`. Requests survive the end of the page where their
/// size allows it.
class FetchTransport implements Transport {
  // Browsers refuse larger bodies of requests that outlive their page.
  static const int _maxKeepAliveCharacters = 20000;

  @override
  Future<TransportResponse> post(
    Uri uri,
    Map<String, String> headers,
    String body,
    Duration timeout,
  ) async {
    final controller = globalContext
        .getProperty<JSFunction>('AbortController'.toJS)
        .callAsConstructor<JSObject>();
    final timer = Timer(timeout, () {
      controller.callMethod<JSAny?>('abort'.toJS);
    });
    try {
      final options = JSObject();
      options.setProperty('method'.toJS, 'POST'.toJS);
      options.setProperty('headers'.toJS, headers.jsify());
      options.setProperty('body'.toJS, body.toJS);
      options.setProperty(
          'keepalive'.toJS, (body.length <= _maxKeepAliveCharacters).toJS);
      options.setProperty(
          'signal'.toJS, controller.getProperty<JSAny?>('signal'.toJS));
      final response = await globalContext
          .callMethod<JSPromise<JSObject>>(
              'fetch'.toJS, uri.toString().toJS, options)
          .toDart;
      final text =
          await response.callMethod<JSPromise<JSString>>('text'.toJS).toDart;
      return TransportResponse(
        response.getProperty<JSNumber>('status'.toJS).toDartInt,
        text.toDart,
        retryAfter: response
            .getProperty<JSObject>('headers'.toJS)
            .callMethod<JSString?>('get'.toJS, 'retry-after'.toJS)
            ?.toDart,
      );
    } finally {
      timer.cancel();
    }
  }

  @override
  void close() {}
}

/// A store in the storages of the browser.
///
/// The log is in `sessionStorage`, one item a line: it belongs to one tab, so
/// tabs do not send each other's events, it survives a reload, and it ends with
/// the tab. The anonymous id is in `localStorage`. Where a browser refuses
/// storage, the calls fail, and the client keeps events in memory.
class WebStore implements Store {
  /// Makes a store whose keys begin with [prefix].
  WebStore(this.prefix);

  /// What the keys begin with.
  final String prefix;

  @override
  bool get isDurable => true;

  int _first = 0;
  int _next = 0;
  int _logBytes = 0;

  String get _pointerKey => '$prefix.log';
  String _lineKey(int number) => '$prefix.log.$number';

  @override
  List<String> readLog() {
    _first = int.tryParse(_get(_session, _pointerKey) ?? '') ?? 0;
    _next = _first;
    final lines = <String>[];
    for (;;) {
      final line = _get(_session, _lineKey(_next));
      if (line == null) {
        break;
      }
      lines.add(line);
      _logBytes += line.length;
      _next += 1;
    }
    return lines;
  }

  @override
  int get logBytes => _logBytes;

  @override
  void appendLog(String line) {
    _set(_session, _lineKey(_next), line);
    _next += 1;
    _logBytes += line.length;
  }

  @override
  void replaceLog(List<String> lines) {
    final oldFirst = _first;
    final newFirst = _next;
    // Old lines are removed before new ones are written, because both may not
    // fit. No crash can come between them: a page's script runs to its end.
    for (var number = oldFirst; number < newFirst; number += 1) {
      _remove(_session, _lineKey(number));
    }
    _set(_session, _pointerKey, '$newFirst');
    _first = newFirst;
    _logBytes = 0;
    lines.forEach(appendLog);
  }

  @override
  void sync() {}

  @override
  String? readAnonymousId() => _get(_local, '$prefix.anonymous_id');

  @override
  void writeAnonymousId(String id) => _set(_local, '$prefix.anonymous_id', id);

  @override
  void close() {}

  static JSObject get _session =>
      globalContext.getProperty<JSObject>('sessionStorage'.toJS);

  static JSObject get _local =>
      globalContext.getProperty<JSObject>('localStorage'.toJS);

  static String? _get(JSObject storage, String key) =>
      storage.callMethod<JSString?>('getItem'.toJS, key.toJS)?.toDart;

  static void _set(JSObject storage, String key, String value) {
    storage.callMethod<JSAny?>('setItem'.toJS, key.toJS, value.toJS);
  }

  static void _remove(JSObject storage, String key) {
    storage.callMethod<JSAny?>('removeItem'.toJS, key.toJS);
  }
}
