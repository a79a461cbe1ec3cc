import 'dart:convert';

import 'package:analytics_service_flutter/analytics_service_flutter.dart';
import 'package:flutter/widgets.dart';
import 'package:testing/testing.dart';

/// Declares the tests of the Flutter package, which run on a stub of Flutter.
void main() {
  test('the calls of the request track what they say', () async {
    await withService((service) async {
      AnalyticsService.trackPostView('post-123');
      AnalyticsService.trackPostLike('post-123');
      AnalyticsService.trackPurchase(
        productId: 'product-456',
        orderId: 'order-789',
        amount: 29.99,
        paymentMethod: 'wallet',
      );
      await AnalyticsService.flush();
      expect([
        for (final event in service.events) [event['eventType'], event['data']]
      ], [
        [
          'view',
          {'contentType': 'post', 'contentId': 'post-123'}
        ],
        [
          'engagement',
          {'action': 'like', 'targetType': 'post', 'targetId': 'post-123'}
        ],
        [
          'purchase',
          {
            'productId': 'product-456',
            'orderId': 'order-789',
            'amount': 29.99,
            'paymentMethod': 'wallet',
            'currency': 'USD'
          }
        ]
      ]);
    });
  });

  test('tracking before initialize fails with advice', () {
    try {
      AnalyticsService.trackPostView('post-123');
    } on StateError catch (error) {
      check(error.message.contains('initialize()'), error.message);
      return;
    }
    throw StateError('it did not fail');
  });

  test('the background sends what is queued; inactive does not', () async {
    await withService((service) async {
      AnalyticsService.trackPostView('p1');
      change(AppLifecycleState.inactive);
      await settle();
      expect(service.events.length, 0);
      change(AppLifecycleState.hidden);
      await settle();
      expect(service.events.length, 1);
    });
  });

  test('a screen counts when it is shown, and again when it is returned to',
      () async {
    await withService((service) async {
      final observer = ScreenObserver();
      final home = page('/home');
      final post = page('/post');
      observer
        ..didPush(home, null)
        ..didPush(post, home)
        ..didPush(
            PopupRoute<void>(settings: const RouteSettings(name: 'x')), post)
        ..didPop(PopupRoute<void>(), post)
        ..didPush(page(null), post)
        ..didPop(post, home)
        ..didReplace(newRoute: page('/shop'), oldRoute: home)
        ..dispose();
      await AnalyticsService.flush();
      expect(service.screens, ['/home', '/post', '/home', '/shop']);
    });
  });

  test('a screen of the background counts when the app comes back', () async {
    await withService((service) async {
      final observer = ScreenObserver();
      change(AppLifecycleState.paused);
      observer..didPush(page('/first'), null)..didPush(page('/second'), null);
      await AnalyticsService.flush();
      expect(service.screens, <String>[]);
      change(AppLifecycleState.resumed);
      change(AppLifecycleState.paused);
      change(AppLifecycleState.resumed);
      await AnalyticsService.flush();
      observer.dispose();
      expect(service.screens, ['/second']);
    });
  });

  test('a second initialize does nothing', () async {
    await withService((service) async {
      final client = AnalyticsService.client;
      await AnalyticsService.initialize(endpoint: Uri.parse('http://other'));
      check(identical(client, AnalyticsService.client), 'another client');
      expect(WidgetsBinding.instance.observers.length, 1);
    });
    expect(WidgetsBinding.instance.observers.length, 0);
  });

  test('without a folder the queue is in memory, and the app is told',
      () async {
    final problems = <Object>[];
    await withService((service) async {
      await AnalyticsService.client.ready;
      check(problems.single is UnsupportedError, '$problems');
    }, onProblem: problems.add);
  });
}

/// A page with a name.
PageRoute<void> page(String? name) =>
    PageRoute<void>(settings: RouteSettings(name: name));

/// Changes the state of the app.
void change(AppLifecycleState state) =>
    WidgetsBinding.instance.handleAppLifecycleStateChanged(state);

/// Initializes the service in front of a transport, and closes it afterwards.
Future<void> withService(Future<void> Function(RecordingTransport) body,
    {void Function(Object)? onProblem}) async {
  final transport = RecordingTransport();
  await AnalyticsService.initialize(transport: transport, onProblem: onProblem);
  change(AppLifecycleState.resumed);
  try {
    await body(transport);
  } finally {
    await AnalyticsService.close();
  }
}

/// Keeps what is sent.
class RecordingTransport implements Transport {
  /// The events so far.
  final List<Map<String, Object?>> events = [];

  /// The names of the screens so far.
  List<Object?> get screens => [
        for (final event in events)
          if ((event['data']! as Map)['contentType'] == 'screen')
            (event['data']! as Map)['contentId']
      ];

  @override
  Future<TransportResponse> post(Uri uri, Map<String, String> headers,
      String body, Duration timeout) async {
    final json = jsonDecode(body) as Map<String, Object?>;
    final sent = (json['events']! as List).cast<Map<String, Object?>>();
    events.addAll(sent);
    return TransportResponse(200, '{"received": "${sent.length}"}');
  }

  @override
  void close() {}
}
