import 'package:testing/testing.dart';

import 'flutter_test.dart' as flutter;

Future<void> main() async {
  flutter.main();
  await runTests();
}
