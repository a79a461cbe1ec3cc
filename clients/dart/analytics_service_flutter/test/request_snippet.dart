// The Flutter snippet of the request, verbatim but for its import. A test runs
// it in front of a real service.
import 'package:analytics_service_flutter/analytics_service_flutter.dart';

void main() async {
  // Initialize analytics
  AnalyticsService.initialize();

  // Track events
  AnalyticsService.trackPostView('post-123');
  AnalyticsService.trackPostLike('post-123');
  AnalyticsService.trackPurchase(
    productId: 'product-456',
    orderId: 'order-789',
    amount: 29.99,
    paymentMethod: 'wallet',
  );

  // Automatic dwell time tracking
  AnalyticsService.startDwellTracking('post', 'post-123');
  AnalyticsService.stopDwellTracking('post', 'post-123');

  await AnalyticsService.close();
}
