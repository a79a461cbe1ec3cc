// The adapter of the conformance kit: reads operations as lines of JSON, and
// writes what happens as lines of JSON. See clients/conformance/README.md.
import 'dart:convert';
import 'dart:io';

import 'package:analytics_service/analytics_service.dart';

const int maxQueueEvents = 1000;

void main(List<String> arguments) async {
  final analytics = Analytics(
    endpoint: Uri.parse(_option(arguments, '--endpoint')),
    stateFolder: _option(arguments, '--state'),
    maxQueueEvents: maxQueueEvents,
    onRejected: (event) => _write({
      'op': 'rejected',
      'eventId': event.eventId,
      'reason': event.reason,
    }),
    onDropped: (event) => _write({
      'op': 'dropped',
      'eventId': event.eventId,
      'reason': event.reason.name,
    }),
    onProblem: stderr.writeln,
  );
  await analytics.ready;
  final lines = stdin.transform(utf8.decoder).transform(const LineSplitter());
  await for (final line in lines) {
    final operation = jsonDecode(line) as Map<String, Object?>;
    switch (operation['op']) {
      case 'track':
        await _track(analytics, operation);
        break;
      case 'flush':
        final timeout = Duration(milliseconds: operation['timeoutMs']! as int);
        final pending = await analytics.flush(timeout: timeout);
        _write({'op': 'flushed', 'pending': pending});
        break;
      case 'close':
        return _end(analytics);
    }
  }
  // Nobody is left to tell it more.
  await _end(analytics);
}

Future<void> _end(Analytics analytics) async {
  await analytics.close();
  await stdout.flush();
  exit(0);
}

/// Tracks an event; waits while the queue is full, so that none is dropped.
Future<void> _track(Analytics analytics, Map<String, Object?> operation) async {
  while (analytics.pending >= maxQueueEvents) {
    await Future<void>.delayed(const Duration(milliseconds: 20));
  }
  final user = operation['userId'];
  final id = analytics.trackData(
    operation['type']! as String,
    operation['data']! as Map<String, Object?>,
    userId: user is String ? user : null,
  );
  _write(id == null
      ? {'op': 'refused', 'reason': 'it was dropped at once'}
      : {'op': 'accepted', 'eventId': id});
}

/// Writes a line of JSON.
void _write(Map<String, Object?> message) =>
    stdout.writeln(jsonEncode(message));

String _option(List<String> arguments, String name) =>
    arguments[arguments.indexOf(name) + 1];
