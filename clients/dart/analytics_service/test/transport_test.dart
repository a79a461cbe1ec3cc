import 'dart:async';
import 'dart:convert';
import 'dart:io';

import 'package:analytics_service/src/platform_io.dart';
import 'package:analytics_service/src/transport.dart';
import 'package:testing/testing.dart';

const Duration long = Duration(seconds: 20);

/// Declares the tests of the transport over `dart:io`.
void main() {
  test('a request carries its headers and its body in UTF-8', () async {
    await withServer((request) async {
      final body = await utf8.decodeStream(request);
      request.response
        ..statusCode = 503
        ..headers.set('retry-after', '7')
        ..write('${request.method} ${request.uri.path} '
            '${request.headers.value('x-key')} $body');
      await request.response.close();
    }, (transport, uri) async {
      final response =
          await transport.post(uri, {'x-key': 'k'}, '{"a": "ü€😀"}', long);
      expect(response.status, 503);
      expect(response.retryAfter, '7');
      expect(response.body, 'POST /batch k {"a": "ü€😀"}');
    });
  });

  test('a server that does not answer fails the request, not the next',
      () async {
    final answered = Completer<void>();
    var count = 0;
    await withServer((request) async {
      count += 1;
      if (count == 1) {
        await answered.future;
        return;
      }
      await request.response.close();
    }, (transport, uri) async {
      await fails<TimeoutException>(
          transport.post(uri, {}, '', const Duration(milliseconds: 200)));
      expect((await transport.post(uri, {}, '', long)).status, 200);
    });
    answered.complete();
  });

  test('a response that is too large fails the request', () async {
    await withServer((request) async {
      request.response.write('x' * (TransportResponse.maxBodyBytes + 1));
      await request.response.close();
    }, (transport, uri) async {
      await fails<HttpException>(transport.post(uri, {}, '', long));
    });
  });

  test('a redirect is not followed', () async {
    await withServer((request) async {
      await request.response.redirect(Uri.parse('/elsewhere'));
    }, (transport, uri) async {
      expect((await transport.post(uri, {}, '', long)).status, 302);
    });
  });

  test('a port that nobody listens at fails the request', () async {
    final uri = Uri.parse('http://127.0.0.1:1/batch');
    await fails<SocketException>(HttpTransport().post(uri, {}, '', long));
  });
}

/// Expects an error of a type.
Future<void> fails<T>(Future<Object?> work) async {
  try {
    await work;
  } catch (error) {
    check(error is T, '$error');
    return;
  }
  throw StateError('it did not fail');
}

/// Runs [body] with a transport and the address of a server.
Future<void> withServer(
  Future<void> Function(HttpRequest) serve,
  Future<void> Function(Transport, Uri) body,
) async {
  final server = await HttpServer.bind(InternetAddress.loopbackIPv4, 0);
  // A client that has gone away is no fault of the server.
  server.listen((request) => serve(request).catchError((Object _) {}));
  final transport = HttpTransport();
  try {
    await body(transport, Uri.parse('http://127.0.0.1:${server.port}/batch'));
  } finally {
    transport.close();
    await server.close(force: true);
  }
}
