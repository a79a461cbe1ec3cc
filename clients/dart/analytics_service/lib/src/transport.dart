/// Sends a request body to the service.
///
/// The client does all retries: a transport makes one attempt.
abstract class Transport {
  /// Posts [body] to [uri] and returns the response.
  ///
  /// Throws any exception if no complete response arrives within [timeout].
  Future<TransportResponse> post(
    Uri uri,
    Map<String, String> headers,
    String body,
    Duration timeout,
  );

  /// Closes all connections.
  void close();
}

/// What a service, or a proxy in front of it, answered.
class TransportResponse {
  /// Makes a response.
  const TransportResponse(this.status, this.body, {this.retryAfter});

  /// The longest body that a transport reads, in bytes. A response to 100
  /// events has at most some 100 KB.
  static const int maxBodyBytes = 1 << 20;

  /// The HTTP status.
  final int status;

  /// The body as text.
  final String body;

  /// The value of the header `retry-after`.
  final String? retryAfter;
}
