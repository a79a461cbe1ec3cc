/// The analytics client of Flutter apps.
library analytics_service_flutter;

export 'package:analytics_service/analytics_service.dart';

export 'src/analytics_service.dart' show AnalyticsService;
export 'src/screen_observer.dart' show ScreenObserver;
