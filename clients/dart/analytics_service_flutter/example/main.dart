// How an app uses the package: screens are tracked by an observer, and taps by
// calls. Start it with
// --dart-define=ANALYTICS_ENDPOINT=https://analytics.example
import 'package:analytics_service_flutter/analytics_service_flutter.dart';

final ScreenObserver screens = ScreenObserver();

void main() {
  AnalyticsService.initialize(
    onRejected: (event) => print('rejected: ${event.reason}'),
  );
  // runApp(MaterialApp(navigatorObservers: [screens], home: const Home()));
  onSignIn('user-1');
  onPostShown('post-123');
  onLike('post-123');
  onPostHidden('post-123');
}

void onSignIn(String userId) => AnalyticsService.userId = userId;

void onPostShown(String postId) {
  AnalyticsService.trackPostView(postId);
  AnalyticsService.startDwellTracking('post', postId);
}

void onLike(String postId) => AnalyticsService.trackPostLike(postId);

void onPostHidden(String postId) =>
    AnalyticsService.stopDwellTracking('post', postId);
