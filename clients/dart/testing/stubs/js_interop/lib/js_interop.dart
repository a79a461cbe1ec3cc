/// A stub of what the package uses of dart:js_interop and
/// dart:js_interop_unsafe, so that the code for browsers can be type-checked on
/// the VM, which has neither.
library js_interop_stub;

class JSAny {}

class JSObject extends JSAny {}

class JSFunction extends JSObject {}

class JSString extends JSAny {}

class JSNumber extends JSAny {}

class JSBoolean extends JSAny {}

class JSPromise<T extends JSAny?> extends JSObject {}

JSObject get globalContext => JSObject();

extension StringToJS on String {
  JSString get toJS => JSString();
}

extension BoolToJS on bool {
  JSBoolean get toJS => JSBoolean();
}

extension JSStringToDart on JSString {
  String get toDart => '';
}

extension JSNumberToDart on JSNumber {
  int get toDartInt => 0;
}

extension JSPromiseToDart<T extends JSAny?> on JSPromise<T> {
  Future<T> get toDart => Future.error('a stub');
}

extension ObjectToJS on Object? {
  JSAny? jsify() => null;
}

extension JSObjectUnsafe on JSObject {
  R getProperty<R extends JSAny?>(JSAny property) => throw 'a stub';

  void setProperty(JSAny property, JSAny? value) {}

  R callMethod<R extends JSAny?>(JSAny method,
          [JSAny? arg1, JSAny? arg2, JSAny? arg3, JSAny? arg4]) =>
      throw 'a stub';
}

extension JSFunctionUnsafe on JSFunction {
  R callAsConstructor<R>(
          [JSAny? arg1, JSAny? arg2, JSAny? arg3, JSAny? arg4]) =>
      throw 'a stub';
}
