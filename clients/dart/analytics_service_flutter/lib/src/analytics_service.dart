import 'package:analytics_service/analytics_service.dart';
import 'package:flutter/foundation.dart';
import 'package:flutter/widgets.dart';
import 'package:path_provider/path_provider.dart';

/// The analytics of an app: one client, which follows the app into the
/// background and back.
///
/// No method waits for the network. Errors of the network and of the disk never
/// reach the app.
class AnalyticsService {
  AnalyticsService._();

  /// The service that [initialize] uses if it is given none:
  /// `--dart-define=ANALYTICS_ENDPOINT=https://...`, or this machine.
  static const String defaultEndpoint = String.fromEnvironment(
      'ANALYTICS_ENDPOINT',
      defaultValue: 'http://localhost:3006');

  /// The public key that [initialize] uses if it is given none:
  /// `--dart-define=ANALYTICS_KEY=sla_pub_...`.
  static const String defaultKey = String.fromEnvironment('ANALYTICS_KEY');

  static Analytics? _client;
  static _LifecycleObserver? _observer;

  /// The client behind this class.
  ///
  /// Throws a [StateError] before [initialize].
  static Analytics get client =>
      _client ??
      (throw StateError('Call AnalyticsService.initialize() first.'));

  /// Starts the client. Events can be tracked at once; the returned future
  /// completes when the events of earlier runs have been read.
  ///
  /// A second call does nothing.
  static Future<void> initialize({
    Uri? endpoint,
    String? key,
    String? userId,
    Map<String, String> headers = const {},
    Device? device,
    String defaultCurrency = 'USD',
    Transport? transport,
    void Function(RejectedEvent)? onRejected,
    void Function(DroppedEvent)? onDropped,
    void Function(Object)? onProblem,
  }) {
    final running = _client;
    if (running != null) {
      return running.ready;
    }
    WidgetsFlutterBinding.ensureInitialized();
    final client = _client = Analytics(
      endpoint: endpoint ?? Uri.parse(defaultEndpoint),
      store: _openStore(),
      transport: transport,
      key: key ?? (defaultKey.isEmpty ? null : defaultKey),
      headers: headers,
      userId: userId,
      device: device,
      defaultCurrency: defaultCurrency,
      onRejected: onRejected,
      onDropped: onDropped,
      onProblem: onProblem,
    );
    final observer = _observer = _LifecycleObserver(client);
    WidgetsBinding.instance.addObserver(observer);
    return client.ready;
  }

  static Future<Store> _openStore() async {
    if (kIsWeb) {
      return openStore(null);
    }
    final folder = await getApplicationSupportDirectory();
    return openStore('${folder.path}/analytics_service');
  }

  /// The signed-in user of later events; null after signing out.
  static set userId(String? userId) => client.userId = userId;

  /// Tracks an event of any type. Returns its id.
  static String? track(EventPayload payload) => client.track(payload);

  /// Tracks that a post was seen.
  static void trackPostView(String postId) =>
      track(ViewEvent(contentType: 'post', contentId: postId));

  /// Tracks that the user likes a post.
  static void trackPostLike(String postId) => track(
      EngagementEvent(action: 'like', targetType: 'post', targetId: postId));

  /// Tracks a purchase. Without a [currency], it is the default currency.
  static void trackPurchase({
    required String productId,
    required String orderId,
    required num amount,
    String? currency,
    int? quantity,
    String? paymentMethod,
    List<String>? conversionPath,
    Map<String, Object?>? metadata,
  }) =>
      track(PurchaseEvent(
        productId: productId,
        orderId: orderId,
        amount: amount,
        currency: currency,
        quantity: quantity,
        paymentMethod: paymentMethod,
        conversionPath: conversionPath,
        metadata: metadata,
      ));

  /// Starts to measure how long a content is visible. The time in the
  /// background does not count.
  static void startDwellTracking(String contentType, String contentId) =>
      client.startDwellTracking(contentType, contentId);

  /// Stops to measure, and tracks a view with its duration.
  static void stopDwellTracking(String contentType, String contentId) =>
      client.stopDwellTracking(contentType, contentId);

  /// Sends what is queued. Returns the number of events that remain queued.
  static Future<int> flush({Duration timeout = const Duration(seconds: 30)}) =>
      client.flush(timeout: timeout);

  /// Stops the client. Apps need not call this: what is queued is sent by the
  /// next run.
  static Future<void> close() async {
    final closing = _client;
    final observer = _observer;
    _client = null;
    _observer = null;
    if (observer != null) {
      WidgetsBinding.instance.removeObserver(observer);
    }
    await closing?.close();
  }
}

class _LifecycleObserver with WidgetsBindingObserver {
  _LifecycleObserver(this._client);

  final Analytics _client;

  @override
  void didChangeAppLifecycleState(AppLifecycleState state) {
    switch (state) {
      case AppLifecycleState.resumed:
        _client.resume();
        break;
      case AppLifecycleState.hidden:
      case AppLifecycleState.paused:
      case AppLifecycleState.detached:
        _client.pause();
        break;
      case AppLifecycleState.inactive:
        // Visible behind a dialog of the system.
        break;
    }
  }
}
