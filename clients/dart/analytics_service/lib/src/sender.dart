import 'dart:convert';
import 'dart:math';

import 'event_queue.dart';
import 'outcome.dart';
import 'retry.dart';
import 'transport.dart';

/// Sends batches of the queue, and removes what the service acknowledges or
/// rejects.
class Sender {
  /// Makes a sender to [uri], the path for batches.
  Sender({
    required this.transport,
    required this.uri,
    required this.headers,
    required this.queue,
    required this.delays,
    required this.maxBatchEvents,
    required this.timeout,
    required this.now,
    required this.onRejected,
    required this.onProblem,
  }) : _ceiling = maxBatchEvents;

  /// The size of a request, in characters. The service takes 4 MB by default.
  static const int maxBatchCharacters = 500000;

  static const Set<int> _invalid = {400, 409, 413, 422};

  /// Makes the requests.
  final Transport transport;

  /// Where to send batches.
  final Uri uri;

  /// Headers of each request.
  final Map<String, String> headers;

  /// Where the events come from.
  final EventQueue queue;

  /// How long to wait after a failure.
  final RetryDelays delays;

  /// The largest number of events of a request.
  final int maxBatchEvents;

  /// How long to wait for a response.
  final Duration timeout;

  /// The clock, for `sentAt`.
  final DateTime Function() now;

  /// Called with each rejected event, before it leaves the queue.
  final void Function(RejectedEvent) onRejected;

  /// Called with each failure that leads to a retry.
  final void Function(Object) onProblem;

  /// The largest batch that is not too large, as far as is known.
  int _ceiling;

  /// The number of the oldest events among which one is at fault, as the
  /// refusal of a whole batch has shown; zero if none is known.
  int _suspects = 0;

  int get _limit =>
      _suspects == 0 ? _ceiling : min(_ceiling, max(1, _suspects ~/ 2));

  /// Sends one batch.
  ///
  /// Returns how long to wait before the next one: zero if the service
  /// processed this one, or if a smaller one is to be tried.
  Future<Duration> sendBatch() async {
    final batch = queue.take(_limit, maxBatchCharacters);
    try {
      final response =
          await transport.post(uri, headers, _body(batch), timeout);
      return _process(batch, response);
    } catch (error) {
      // Transports and platforms throw errors of many types.
      onProblem(error);
      return delays.next(null);
    } finally {
      queue.release();
    }
  }

  String _body(List<QueuedEvent> batch) {
    final sentAt = now().toUtc().toIso8601String();
    return jsonEncode({
      'events': [
        for (final event in batch) {...event.json, 'sentAt': sentAt}
      ]
    });
  }

  Duration _process(List<QueuedEvent> batch, TransportResponse response) {
    if (response.status == 200) {
      return _acknowledge(batch, response.body);
    }
    if (_invalid.contains(response.status)) {
      return _divide(batch, response);
    }
    onProblem(SendFailure(response.status, _reasonOf(response)));
    return delays.next(response.retryAfter);
  }

  /// Ends the events of a batch that the service has processed.
  Duration _acknowledge(List<QueuedEvent> batch, String body) {
    final answer = _parseObject(body);
    if (int.tryParse('${answer['received']}') != batch.length) {
      // Not the service: for example the page of a network that wants a login.
      onProblem(const SendFailure(200, 'NOT_THE_SERVICE'));
      return delays.next(null);
    }
    for (final rejection in _objects(answer['rejections'])) {
      final index = int.tryParse('${rejection['index']}') ?? -1;
      if (index >= 0 && index < batch.length) {
        _reject(batch[index], '${rejection['reason']}',
            _objects(rejection['violations']));
      }
    }
    queue.remove(batch);
    delays.reset();
    _suspects = max(0, _suspects - batch.length);
    _ceiling = min(_ceiling + max(1, _ceiling ~/ 8), maxBatchEvents);
    return Duration.zero;
  }

  /// Halves a batch that the service refuses as a whole, until the event at
  /// fault is alone.
  Duration _divide(List<QueuedEvent> batch, TransportResponse response) {
    delays.reset();
    if (batch.length == 1) {
      final answer = _parseObject(response.body);
      _reject(
          batch.single, _reasonOf(response), _objects(answer['violations']));
      queue.remove(batch);
      _suspects = 0;
    } else if (response.status == 413) {
      _ceiling = batch.length ~/ 2;
    } else {
      _suspects = batch.length;
    }
    return Duration.zero;
  }

  void _reject(QueuedEvent event, String reason,
      Iterable<Map<String, Object?>> violations) {
    onRejected(RejectedEvent(event.id, event.json, reason, [
      for (final violation in violations)
        Violation('${violation['field']}', '${violation['rule']}',
            '${violation['description']}')
    ]));
  }

  static String _reasonOf(TransportResponse response) {
    final reason = _parseObject(response.body)['reason'];
    return reason is String && reason.isNotEmpty
        ? reason
        : 'HTTP_${response.status}';
  }

  static Map<String, Object?> _parseObject(String body) {
    try {
      final value = jsonDecode(body);
      return value is Map<String, Object?> ? value : const {};
    } on FormatException {
      return const {};
    }
  }

  static Iterable<Map<String, Object?>> _objects(Object? value) =>
      value is List ? value.whereType<Map<String, Object?>>() : const [];
}

/// A response that leads to a retry.
class SendFailure implements Exception {
  /// Makes a failure.
  const SendFailure(this.status, this.reason);

  /// The HTTP status.
  final int status;

  /// The reason that the service gives.
  final String reason;

  @override
  String toString() =>
      'The service answered $status $reason; events stay queued and are sent again.';
}
