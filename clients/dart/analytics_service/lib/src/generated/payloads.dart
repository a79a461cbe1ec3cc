// Written by `make gen` from the .proto files: change those.

/// The payload of an event: one class for each event type.
abstract class EventPayload {
  /// Base of the payload classes.
  const EventPayload();

  /// The name of the event type, for example "view".
  String get eventType;

  /// The version of the schema that this class was generated from.
  String get schemaVersion;

  /// The payload as JSON. Fields without a value are left out.
  Map<String, Object?> toJson();
}

/// A user viewed content.
class ViewEvent extends EventPayload {
  /// Makes a ViewEvent.
  const ViewEvent({
    required this.contentType,
    required this.contentId,
    this.viewDuration,
    this.scrollDepth,
    this.referrer,
  });

  /// The type of the content. Usually one of `post`, `product`, `shop`,
  /// `stream`, `profile`.
  final String contentType;

  /// The content's id.
  final String contentId;

  /// How long the content was visible (dwell time). In s.
  final num? viewDuration;

  /// How far the content was scrolled: 0 is the top, 1 the end.
  final num? scrollDepth;

  /// What led to the content, for example "feed".
  final String? referrer;

  @override
  Map<String, Object?> toJson() => {
        'contentType': contentType,
        'contentId': contentId,
        if (viewDuration != null) 'viewDuration': viewDuration,
        if (scrollDepth != null) 'scrollDepth': scrollDepth,
        if (referrer != null) 'referrer': referrer,
      };

  @override
  String get eventType => 'view';

  @override
  String get schemaVersion => '1.1.0';
}

/// A user reacted to something.
class EngagementEvent extends EventPayload {
  /// Makes an EngagementEvent.
  const EngagementEvent({
    required this.action,
    required this.targetType,
    required this.targetId,
    this.metadata,
  });

  /// The user's action. Usually one of `like`, `unlike`, `share`, `comment`,
  /// `follow`, `unfollow`, `save`.
  final String action;

  /// The type of the target. Usually one of `post`, `product`, `shop`,
  /// `stream`, `user`.
  final String targetType;

  /// The id of the target.
  final String targetId;

  /// Additional data.
  final Map<String, Object?>? metadata;

  @override
  Map<String, Object?> toJson() => {
        'action': action,
        'targetType': targetType,
        'targetId': targetId,
        if (metadata != null) 'metadata': metadata,
      };

  @override
  String get eventType => 'engagement';

  @override
  String get schemaVersion => '1.1.0';
}

/// A user bought something.
class PurchaseEvent extends EventPayload {
  /// Makes a PurchaseEvent.
  const PurchaseEvent({
    required this.productId,
    required this.orderId,
    required this.amount,
    this.currency,
    this.quantity,
    this.paymentMethod,
    this.conversionPath,
    this.metadata,
  });

  /// The product's id.
  final String productId;

  /// The order's id.
  final String orderId;

  /// The total amount paid, in units of the currency. It is stored as the
  /// decimal that the number prints as: 29.99 is stored as exactly 29.99.
  final num amount;

  /// The currency of the amount. The client's `defaultCurrency` if absent.
  final String? currency;

  /// The quantity bought.
  final int? quantity;

  /// The payment method. Usually one of `wallet`, `card`, `cash`.
  final String? paymentMethod;

  /// The steps that led to the purchase, in order.
  final List<String>? conversionPath;

  /// Additional data.
  final Map<String, Object?>? metadata;

  @override
  Map<String, Object?> toJson() => {
        'productId': productId,
        'orderId': orderId,
        'amount': amount,
        if (currency != null) 'currency': currency,
        if (quantity != null) 'quantity': quantity,
        if (paymentMethod != null) 'paymentMethod': paymentMethod,
        if (conversionPath != null) 'conversionPath': conversionPath,
        if (metadata != null) 'metadata': metadata,
      };

  @override
  String get eventType => 'purchase';

  @override
  String get schemaVersion => '1.1.0';
}

/// An action in a live stream.
class StreamEvent extends EventPayload {
  /// Makes a StreamEvent.
  const StreamEvent({
    required this.streamId,
    required this.action,
    this.watchDuration,
    this.viewerCount,
    this.quality,
    this.bitrateKbps,
    this.metadata,
  });

  /// The live stream's id.
  final String streamId;

  /// The action. Usually one of `start`, `join`, `leave`, `end`, `chat`,
  /// `reaction`, `gift`.
  final String action;

  /// How long the viewer has watched. In s.
  final num? watchDuration;

  /// The current number of viewers.
  final int? viewerCount;

  /// The video quality, for example "1080p".
  final String? quality;

  /// The bit rate. In kbps.
  final int? bitrateKbps;

  /// Additional data.
  final Map<String, Object?>? metadata;

  @override
  Map<String, Object?> toJson() => {
        'streamId': streamId,
        'action': action,
        if (watchDuration != null) 'watchDuration': watchDuration,
        if (viewerCount != null) 'viewerCount': viewerCount,
        if (quality != null) 'quality': quality,
        if (bitrateKbps != null) 'bitrateKbps': bitrateKbps,
        if (metadata != null) 'metadata': metadata,
      };

  @override
  String get eventType => 'stream';

  @override
  String get schemaVersion => '1.1.0';
}

/// A session started, continued or ended.
class SessionEvent extends EventPayload {
  /// Makes a SessionEvent.
  const SessionEvent({
    required this.action,
    this.duration,
    this.entryPoint,
    this.metadata,
  });

  /// The action. One of `start`, `heartbeat`, `end`.
  final String action;

  /// How long the session has lasted. In s.
  final num? duration;

  /// The entry point of the session, for example "push" or "deep_link".
  final String? entryPoint;

  /// Additional data.
  final Map<String, Object?>? metadata;

  @override
  Map<String, Object?> toJson() => {
        'action': action,
        if (duration != null) 'duration': duration,
        if (entryPoint != null) 'entryPoint': entryPoint,
        if (metadata != null) 'metadata': metadata,
      };

  @override
  String get eventType => 'session';

  @override
  String get schemaVersion => '1.1.0';
}

/// The device that sends events.
class Device {
  /// Makes a Device.
  const Device({
    this.type,
    this.model,
    this.os,
    this.osVersion,
    this.appVersion,
    this.locale,
  });

  /// Its kind, for example "phone". Usually one of `phone`, `tablet`,
  /// `desktop`, `tv`.
  final String? type;

  /// Its model, for example "Pixel 9".
  final String? model;

  /// Its operating system, for example "Android".
  final String? os;

  /// The operating system's version.
  final String? osVersion;

  /// The app's version.
  final String? appVersion;

  /// The language and region, BCP 47 ("en-GB").
  final String? locale;

  /// The device as JSON.
  Map<String, Object?> toJson() => {
        if (type != null) 'type': type,
        if (model != null) 'model': model,
        if (os != null) 'os': os,
        if (osVersion != null) 'osVersion': osVersion,
        if (appVersion != null) 'appVersion': appVersion,
        if (locale != null) 'locale': locale,
      };
}

/// The newest schema version of each event type that this client knows.
const Map<String, String> schemaVersions = {
  'view': '1.1.0',
  'engagement': '1.1.0',
  'purchase': '1.1.0',
  'stream': '1.1.0',
  'session': '1.1.0',
};

/// The required currency fields of each event type that has one.
const Map<String, List<String>> currencyFields = {
  'purchase': ['currency'],
};
