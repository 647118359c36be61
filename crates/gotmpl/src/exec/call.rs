//! Calls of functions and methods: arguments are evaluated and converted to the parameters' types.
use crate::exec::convert::{assign, can_be_nil, nil_of};
use crate::exec::execution::{Execution, Frame, Result, Typed};
use crate::exec::runtime::Running;
use crate::function::{Call, Function, Method, Param, Signature};
use crate::object::Object;
use crate::parse::tree::{ArgId, ArgKind, At, Builtin, Callee, Span};
use crate::string::{Str, lossy};
use crate::value::Value;
use std::rc::Rc;

/// What is called.
pub(crate) enum Target {
    Function(&'static Function),
    Method(&'static Method, Value),
    ObjectMethod(Rc<dyn Object>, Signature),
}

impl Target {
    fn signature(&self) -> Signature {
        match self {
            Target::Function(function) => Signature { params: function.params, variadic: function.variadic },
            Target::Method(method, _) => Signature { params: method.params, variadic: method.variadic },
            Target::ObjectMethod(_, signature) => *signature,
        }
    }
}

impl Execution<'_> {
    #[expect(clippy::too_many_arguments, reason = "what a call consists of in Go")]
    pub(crate) fn function(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Typed,
        callee: u32,
        node: At,
        ident: ArgId,
        rest: Span,
        last: Option<Value>,
    ) -> Result<Typed> {
        frame.at = At::Arg(ident);
        match frame.tree.file.functions[callee as usize] {
            Callee::Function(function) => {
                self.call_named(frame, dot, Target::Function(function), node, function.name, rest, last)
            }
            Callee::Builtin(builtin) => self.builtin(frame, dot, builtin, node, rest, last),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a call consists of in Go")]
    pub(crate) fn call(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Typed,
        target: Target,
        node: At,
        name: &Str,
        rest: Span,
        last: Option<Value>,
    ) -> Result<Typed> {
        self.call_named(frame, dot, target, node, &name.to_str_lossy(), rest, last)
    }

    #[expect(clippy::too_many_arguments, reason = "what a call consists of in Go")]
    fn call_named(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Typed,
        target: Target,
        node: At,
        name: &str,
        rest: Span,
        last: Option<Value>,
    ) -> Result<Typed> {
        let signature = target.signature();
        self.check_count(frame, name, signature, rest.len(), last.is_some())?;
        let mut argv = self.spare.pop().unwrap_or_default();
        if let Target::Method(_, receiver) = &target {
            argv.push(receiver.clone());
        }
        self.arguments(frame, dot, signature, rest, last, &mut argv)?;
        let result = {
            let pos = frame.tree.pos(node);
            let mut running = Running { execution: self, tree: frame.tree, pos };
            let mut call = Call::new(&mut running);
            match &target {
                Target::Function(function) => (function.call)(&mut call, &argv),
                Target::Method(method, _) => (method.call)(&mut call, &argv),
                Target::ObjectMethod(object, _) => object.call(&mut call, name, &argv),
            }
        };
        argv.clear();
        self.spare.push(argv);
        let result = result.and_then(|value| match &value {
            Value::Str(text) => self.made(text.len()).map(|()| value),
            _ => Ok(value),
        });
        match result {
            Ok(value) => {
                let interface = value.is_nil();
                Ok(Typed { value, interface })
            }
            Err(text) => {
                frame.at = node;
                self.fail_call(frame, name, text)
            }
        }
    }

    pub(crate) fn check_count(
        &self,
        frame: &Frame<'_>,
        name: &str,
        signature: Signature,
        args: usize,
        has_last: bool,
    ) -> Result<()> {
        let count = args + usize::from(has_last);
        let want = signature.params.len();
        match signature.variadic {
            Some(_) if count < want => {
                self.fail(frame, &format!("wrong number of args for {name}: want at least {want} got {args}"))
            }
            None if count != want => {
                self.fail(frame, &format!("wrong number of args for {name}: want {want} got {count}"))
            }
            _ => Ok(()),
        }
    }

    fn arguments(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Typed,
        signature: Signature,
        rest: Span,
        last: Option<Value>,
        argv: &mut Vec<Value>,
    ) -> Result<()> {
        let param = |at: usize| signature.params.get(at).copied().or(signature.variadic).unwrap_or(Param::Any);
        for (at, arg) in (rest.start..rest.end).enumerate() {
            let value = self.argument(frame, dot, param(at), ArgId(arg))?;
            argv.push(value);
        }
        if let Some(last) = last {
            let value = self.validate(frame, Typed::plain(last), param(rest.len()))?;
            argv.push(copied(value));
        }
        Ok(())
    }

    /// One argument as its parameter's type: constants take the type that is asked for.
    fn argument(&mut self, frame: &mut Frame<'_>, dot: &Typed, param: Param, id: ArgId) -> Result<Value> {
        let tree = frame.tree;
        let kind = tree.file.args[id.0 as usize].kind;
        frame.at = At::Arg(id);
        match kind {
            ArgKind::Nil if can_be_nil(param) => Ok(nil_of(param)),
            ArgKind::Nil => self.fail(frame, &format!("cannot assign nil to {}", param.name())),
            ArgKind::Bool(_) | ArgKind::Number(..) | ArgKind::String(..) => self.constant(frame, dot, param, id),
            _ => {
                let value = self.operand(frame, dot, id)?;
                match param {
                    Param::Any => Ok(copied(value.value)),
                    Param::Reflect => Ok(value.value),
                    _ => self.validate(frame, value, param),
                }
            }
        }
    }

    fn constant(&mut self, frame: &mut Frame<'_>, dot: &Typed, param: Param, id: ArgId) -> Result<Value> {
        let tree = frame.tree;
        let kind = tree.file.args[id.0 as usize].kind;
        let number = match kind {
            ArgKind::Number(number, _) => Some(&tree.file.numbers[number as usize]),
            _ => None,
        };
        let (found, expected) = match (param, kind) {
            (Param::Any | Param::Reflect, _) => return Ok(self.operand(frame, dot, id)?.value),
            (Param::Bool, ArgKind::Bool(value)) => (Some(Value::Bool(value)), "bool"),
            (Param::Bool, _) => (None, "bool"),
            (Param::Str, ArgKind::String(text, _)) => {
                (Some(Value::Str(tree.file.strings[text as usize].clone())), "string")
            }
            (Param::Str, _) => (None, "string"),
            (Param::Int(kind) | Param::Named(_, kind), _) => {
                (number.and_then(|number| number.int).map(|int| Value::Int(kind, wrap_int(kind, int))), "integer")
            }
            (Param::Uint(kind), _) => {
                let found = number.and_then(|number| number.uint).map(|int| Value::Uint(kind, wrap_uint(kind, int)));
                (found, "unsigned integer")
            }
            (Param::Float, _) => (number.and_then(|number| number.float).map(Value::Float), "float"),
            _ => {
                let shown = tree.show(At::Arg(id));
                return self.fail(frame, &format!("can't handle {} for arg of type {}", lossy(&shown), param.name()));
            }
        };
        match found {
            Some(value) => Ok(value),
            None => {
                let shown = tree.show(At::Arg(id));
                self.fail(frame, &format!("expected {expected}; found {}", lossy(&shown)))
            }
        }
    }

    /// A value as a parameter's type, if it can be.
    fn validate(&self, frame: &Frame<'_>, value: Typed, param: Param) -> Result<Value> {
        if value.is_invalid() {
            if can_be_nil(param) {
                return Ok(nil_of(param));
            }
            return self.fail(frame, &format!("invalid value; expected {}", param.name()));
        }
        match assign(&value.value, param) {
            Some(value) => Ok(value),
            None => {
                let got = if value.value.is_nil() { "interface {}" } else { value.value.type_name() };
                self.fail(frame, &format!("wrong type for value; expected {}; got {got}", param.name()))
            }
        }
    }

    fn builtin(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Typed,
        builtin: Builtin,
        node: At,
        rest: Span,
        last: Option<Value>,
    ) -> Result<Typed> {
        let (name, signature) = builtin.signature();
        self.check_count(frame, name, signature, rest.len(), last.is_some())?;
        if matches!(builtin, Builtin::And | Builtin::Or) {
            return self.and_or(frame, dot, builtin == Builtin::Or, rest, last);
        }
        let mut argv = self.spare_typed.pop().unwrap_or_default();
        for (at, arg) in (rest.start..rest.end).enumerate() {
            let value = match (builtin, at) {
                (Builtin::Printf, 0) => Typed::plain(self.argument(frame, dot, Param::Str, ArgId(arg))?),
                _ => self.operand(frame, dot, ArgId(arg))?,
            };
            argv.push(value);
        }
        if let Some(last) = last {
            argv.push(match (builtin, rest.len()) {
                (Builtin::Printf, 0) => Typed::plain(self.validate(frame, Typed::plain(last), Param::Str)?),
                _ => Typed::plain(last),
            });
        }
        let callee = || match rest.len() {
            0 => call_name(argv.first()),
            _ => lossy(&frame.tree.show(At::Arg(ArgId(rest.start)))).into_owned(),
        };
        let result = match builtin {
            Builtin::Call => Err(crate::exec::builtin::call(&callee(), &argv)),
            _ => self.run_builtin(builtin, &argv),
        };
        argv.clear();
        self.spare_typed.push(argv);
        match result {
            Ok(value) => Ok(value),
            Err(text) => {
                frame.at = node;
                self.fail_call(frame, name, text)
            }
        }
    }

    /// Stops at the first argument that decides.
    fn and_or(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Typed,
        is_or: bool,
        rest: Span,
        last: Option<Value>,
    ) -> Result<Typed> {
        let mut value = Typed::default();
        for arg in rest.start..rest.end {
            value = self.operand(frame, dot, ArgId(arg))?;
            if value.value.truth() == is_or {
                return Ok(value);
            }
        }
        Ok(last.map_or(value, Typed::plain))
    }
}

/// A value as an `interface {}`, which holds a copy of a struct.
#[inline]
fn copied(value: Value) -> Value {
    match &value {
        Value::Object(object) => object.copied().unwrap_or(value),
        _ => value,
    }
}

/// How Go names what `call` gets from a pipeline.
fn call_name(value: Option<&Typed>) -> String {
    match value {
        Some(Typed { value: Value::Str(text) | Value::Number(text), .. }) => text.to_string(),
        Some(value) if value.is_invalid() => "<invalid Value>".to_owned(),
        Some(value) => format!("<{} Value>", value.value.type_name()),
        None => String::new(),
    }
}

/// `reflect.Value.SetInt`
fn wrap_int(kind: crate::kind::IntKind, int: i64) -> i64 {
    use crate::kind::IntKind;
    match kind {
        IntKind::Int | IntKind::Int64 => int,
        IntKind::Int8 => i64::from(int as i8),
        IntKind::Int16 => i64::from(int as i16),
        IntKind::Int32 => i64::from(int as i32),
    }
}

/// `reflect.Value.SetUint`
fn wrap_uint(kind: crate::kind::UintKind, int: u64) -> u64 {
    use crate::kind::UintKind;
    match kind {
        UintKind::Uint | UintKind::Uint64 | UintKind::Uintptr => int,
        UintKind::Uint8 => u64::from(int as u8),
        UintKind::Uint16 => u64::from(int as u16),
        UintKind::Uint32 => u64::from(int as u32),
    }
}
