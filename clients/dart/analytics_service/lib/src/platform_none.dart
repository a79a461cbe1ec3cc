import 'store.dart';
import 'transport.dart';

/// The value of `platform` for events.
String? defaultPlatform() => null;

/// Fails: this platform has neither `dart:io` nor `dart:js_interop`.
Transport defaultTransport() => throw UnsupportedError(
    'No transport for this platform: pass one to the constructor.');

/// Opens a store that lasts as long as the process.
Store openStore(String? folder) => MemoryStore();
