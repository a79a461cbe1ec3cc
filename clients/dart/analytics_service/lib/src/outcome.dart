/// A rule that a rejected event breaks.
class Violation {
  /// Makes a violation.
  const Violation(this.field, this.rule, this.description);

  /// The field at fault, for example "data.contentId".
  final String field;

  /// The rule, for example "REQUIRED".
  final String rule;

  /// What was found and what is allowed.
  final String description;

  @override
  String toString() => '$field: $description ($rule)';
}

/// An event that the service has rejected for good. It has left the queue.
class RejectedEvent {
  /// Makes a rejection.
  const RejectedEvent(this.eventId, this.event, this.reason, this.violations);

  /// The id of the event.
  final String eventId;

  /// The event in its JSON form.
  final Map<String, Object?> event;

  /// The reason, one of the published reasons of the service, for example
  /// "INVALID_EVENT".
  final String reason;

  /// Every violation that the service reported.
  final List<Violation> violations;
}

/// Why an event was dropped.
enum DropReason {
  /// The queue was full, and the event was the oldest.
  queueFull,

  /// The event cannot be written as JSON.
  notJson,

  /// The event is larger than `Analytics.maxEventCharacters`.
  tooLarge,

  /// The client was closed.
  closed
}

/// An event that the client has given up.
class DroppedEvent {
  /// Makes a report of an event.
  const DroppedEvent(this.eventId, this.eventType, this.reason);

  /// The id of the event.
  final String eventId;

  /// Its type.
  final String eventType;

  /// Why it was dropped.
  final DropReason reason;
}
