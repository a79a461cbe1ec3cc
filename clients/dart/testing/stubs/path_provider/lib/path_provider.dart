/// A stub of package:path_provider: the folder that the environment names.
library path_provider;

import 'dart:io';

/// The folder for files of the app.
Future<Directory> getApplicationSupportDirectory() async {
  final folder = Platform.environment['TEST_APPLICATION_SUPPORT'];
  if (folder == null) {
    throw UnsupportedError('This platform has no such folder.');
  }
  return Directory(folder);
}
