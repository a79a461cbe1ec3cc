// Chooses the implementation for the platform at compile time.
export 'platform_none.dart'
    if (dart.library.io) 'platform_io.dart'
    if (dart.library.js_interop) 'platform_web.dart';
