import 'package:analytics_service/analytics_service.dart';
import 'package:flutter/widgets.dart';

import 'analytics_service.dart';

/// Tracks the screens of a navigator as views of the content type "screen".
///
/// Only pages with a name count; dialogs do not. A screen that opens while the
/// app is in the background, for example by a notification, counts when the app
/// comes back, and only if it is still on top.
///
/// ```dart
/// MaterialApp(navigatorObservers: [ScreenObserver()])
/// ```
class ScreenObserver extends RouteObserver<PageRoute<dynamic>>
    with WidgetsBindingObserver {
  /// Makes an observer; each navigator needs one of its own.
  ScreenObserver() {
    WidgetsFlutterBinding.ensureInitialized();
    WidgetsBinding.instance.addObserver(this);
  }

  Route<dynamic>? _uncounted;

  /// Stops to observe the app.
  void dispose() => WidgetsBinding.instance.removeObserver(this);

  @override
  void didPush(Route<dynamic> route, Route<dynamic>? previousRoute) {
    super.didPush(route, previousRoute);
    _show(route);
  }

  @override
  void didPop(Route<dynamic> route, Route<dynamic>? previousRoute) {
    super.didPop(route, previousRoute);
    if (route is PageRoute) {
      _show(previousRoute);
    }
  }

  @override
  void didReplace({Route<dynamic>? newRoute, Route<dynamic>? oldRoute}) {
    super.didReplace(newRoute: newRoute, oldRoute: oldRoute);
    _show(newRoute);
  }

  @override
  void didChangeAppLifecycleState(AppLifecycleState state) {
    if (state == AppLifecycleState.resumed) {
      _show(_uncounted);
    }
  }

  void _show(Route<dynamic>? route) {
    final name = route?.settings.name;
    if (route is! PageRoute || name == null || name.isEmpty) {
      return;
    }
    final state = WidgetsBinding.instance.lifecycleState;
    if (state != null && state != AppLifecycleState.resumed) {
      _uncounted = route;
      return;
    }
    _uncounted = null;
    AnalyticsService.track(ViewEvent(contentType: 'screen', contentId: name));
  }
}
