// Tracks one event of each kind, and sends them. Start the service first:
// `make up`. Then: dart run example/main.dart [endpoint]
import 'dart:io';

import 'package:analytics_service/analytics_service.dart';

Future<void> main(List<String> arguments) async {
  final endpoint =
      arguments.isEmpty ? 'http://localhost:3006' : arguments.first;
  final folder = Directory.systemTemp.createTempSync('analytics-example-');
  final analytics = Analytics(
    endpoint: Uri.parse(endpoint),
    stateFolder: folder.path,
    userId: 'user-1',
    device: const Device(type: 'phone', model: 'Pixel 9', os: 'Android'),
    onRejected: (event) =>
        print('rejected: ${event.eventId} ${event.reason} ${event.violations}'),
    onDropped: (event) => print('dropped: ${event.eventId} ${event.reason}'),
    onProblem: (problem) => print('problem: $problem'),
  );

  analytics.track(const ViewEvent(
      contentType: 'post', contentId: 'post-123', scrollDepth: 0.8));
  analytics.track(const EngagementEvent(
      action: 'like',
      targetType: 'post',
      targetId: 'post-123',
      metadata: {'source': 'feed'}));
  analytics.track(const PurchaseEvent(
      productId: 'product-456', orderId: 'order-789', amount: 29.99));
  analytics.track(const StreamEvent(streamId: 'stream-1', action: 'join'));
  analytics.track(const SessionEvent(action: 'start', entryPoint: 'push'));
  analytics.startDwellTracking('post', 'post-123');
  analytics.stopDwellTracking('post', 'post-123');

  final pending = await analytics.flush();
  await analytics.close();
  folder.deleteSync(recursive: true);
  print('pending: $pending');
  exitCode = pending == 0 ? 0 : 1;
}
