/// A client of the Social Live analytics service.
///
/// An accepted event is kept until it is acknowledged, under one id, so it is
/// neither lost nor doubled.
library analytics_service;

export 'src/analytics.dart' show Analytics;
export 'src/generated/payloads.dart';
export 'src/outcome.dart';
export 'src/platform.dart' show openStore;
export 'src/sender.dart' show SendFailure;
export 'src/store.dart';
export 'src/transport.dart';
