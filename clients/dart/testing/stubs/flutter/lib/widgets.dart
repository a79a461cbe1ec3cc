/// A stub of what the package uses of package:flutter/widgets.dart.
library flutter.widgets;

/// The states of an app.
enum AppLifecycleState { detached, resumed, inactive, hidden, paused }

/// Gets to know what happens to the app.
mixin WidgetsBindingObserver {
  /// The state of the app has changed.
  void didChangeAppLifecycleState(AppLifecycleState state) {}
}

/// The binding of the framework and the engine.
class WidgetsBinding {
  static WidgetsBinding? _instance;

  /// The binding; it must have been initialized.
  static WidgetsBinding get instance => _instance!;

  /// The observers.
  final List<WidgetsBindingObserver> observers = [];

  /// The state of the app, null before the first.
  AppLifecycleState? lifecycleState;

  /// Adds an observer.
  void addObserver(WidgetsBindingObserver observer) => observers.add(observer);

  /// Removes an observer.
  bool removeObserver(WidgetsBindingObserver observer) =>
      observers.remove(observer);

  /// Changes the state, as the engine does.
  void handleAppLifecycleStateChanged(AppLifecycleState state) {
    lifecycleState = state;
    for (final observer in observers.toList()) {
      observer.didChangeAppLifecycleState(state);
    }
  }
}

/// The binding of an app.
class WidgetsFlutterBinding {
  /// Makes the binding if there is none.
  static WidgetsBinding ensureInitialized() =>
      WidgetsBinding._instance ??= WidgetsBinding();
}

/// The name of a route.
class RouteSettings {
  /// Makes settings.
  const RouteSettings({this.name, this.arguments});

  /// The name.
  final String? name;

  /// Its arguments.
  final Object? arguments;
}

/// An entry of a navigator.
abstract class Route<T> {
  /// Makes a route.
  Route({RouteSettings? settings})
      : settings = settings ?? const RouteSettings();

  /// The settings.
  final RouteSettings settings;
}

/// A route that blocks the routes below.
abstract class ModalRoute<T> extends Route<T> {
  /// Makes a route.
  ModalRoute({RouteSettings? settings}) : super(settings: settings);
}

/// A route that covers the screen.
class PageRoute<T> extends ModalRoute<T> {
  /// Makes a route.
  PageRoute({RouteSettings? settings}) : super(settings: settings);
}

/// A route over the current screen, such as a dialog.
class PopupRoute<T> extends ModalRoute<T> {
  /// Makes a route.
  PopupRoute({RouteSettings? settings}) : super(settings: settings);
}

/// Gets to know what a navigator does.
class NavigatorObserver {
  /// A route was pushed.
  void didPush(Route<dynamic> route, Route<dynamic>? previousRoute) {}

  /// A route was popped.
  void didPop(Route<dynamic> route, Route<dynamic>? previousRoute) {}

  /// A route was removed.
  void didRemove(Route<dynamic> route, Route<dynamic>? previousRoute) {}

  /// A route was replaced.
  void didReplace({Route<dynamic>? newRoute, Route<dynamic>? oldRoute}) {}
}

/// Tells subscribers about routes.
class RouteObserver<R extends Route<dynamic>> extends NavigatorObserver {}
