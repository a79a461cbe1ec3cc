/// A stub of what the package uses of package:flutter/foundation.dart.
library flutter.foundation;

/// Whether the app runs in a browser.
const bool kIsWeb = false;
