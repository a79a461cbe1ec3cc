import 'package:testing/testing.dart';

import 'queue_test.dart' as queue;
import 'sending_test.dart' as sending;
import 'session_test.dart' as session;
import 'transport_test.dart' as transport;

Future<void> main() async {
  queue.main();
  sending.main();
  session.main();
  transport.main();
  await runTests();
}
