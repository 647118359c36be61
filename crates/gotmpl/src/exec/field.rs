//! Chains of fields: keys of maps, fields and methods of objects, and Go's messages for what can't be.
use crate::exec::call::Target;
use crate::exec::eval::NO_ARGS;
use crate::exec::execution::{Execution, Frame, Result, Typed};
use crate::exec::limits::MissingKey;
use crate::exec::zero::zero;
use crate::function::Method;
use crate::kind::Elem;
use crate::map::Map;
use crate::object::Object;
use crate::parse::tree::{At, Name, Span};
use crate::quote;
use crate::string::Str;
use crate::value::Value;
use std::rc::Rc;

impl Execution<'_> {
    /// Fields one after another; the last one gets the arguments. Calls are reported where the frame stands.
    pub(crate) fn chain(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Typed,
        first: &Typed,
        names: Span,
        rest: Span,
        last: Option<Value>,
    ) -> Result<Typed> {
        let node = frame.at;
        self.chain_at(frame, dot, first, names, node, rest, last)
    }

    #[expect(clippy::too_many_arguments, reason = "what a field access consists of in Go")]
    pub(crate) fn chain_at(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Typed,
        first: &Typed,
        names: Span,
        node: At,
        rest: Span,
        mut last: Option<Value>,
    ) -> Result<Typed> {
        let has_args = rest.len() > 0 || last.is_some();
        let mut owned = None;
        for at in names.start..names.end {
            let is_last = at + 1 == names.end;
            let receiver = owned.as_ref().unwrap_or(first);
            let next = match &receiver.value {
                Value::Map(map) if !(is_last && has_args) && map.typ().methods.is_empty() => {
                    self.key(frame, map, at)?
                }
                _ => {
                    let receiver = receiver.clone();
                    let (rest, last) = if is_last { (rest, last.take()) } else { (NO_ARGS, None) };
                    self.field(frame, dot, receiver, at, node, rest, last)?
                }
            };
            owned = Some(next);
        }
        Ok(owned.unwrap_or_default())
    }

    /// The value of a key, or what the option says about a missing one.
    #[inline]
    fn key(&mut self, frame: &Frame<'_>, map: &Map, at: u32) -> Result<Typed> {
        let Name { text: name, hint } = &frame.tree.file.names[at as usize];
        let elem = map.typ().elem;
        let interface = matches!(elem, Elem::Any);
        if let Some(trace) = &mut self.trace {
            trace.read(map.path_id(), frame.file, at);
        }
        match map.get_near(name, hint) {
            Some(value) => Ok(Typed { value, interface }),
            None => match self.options.missing_key {
                MissingKey::Invalid => Ok(Typed::default()),
                MissingKey::Zero => Ok(Typed { value: zero(elem), interface }),
                MissingKey::Error => {
                    self.fail(frame, &format!("map has no entry for key {}", quote::quote(name.as_bytes())))
                }
            },
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a field access consists of in Go")]
    fn field(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Typed,
        receiver: Typed,
        at: u32,
        node: At,
        rest: Span,
        last: Option<Value>,
    ) -> Result<Typed> {
        let name = &frame.tree.file.names[at as usize].text;
        if receiver.value.is_nil() {
            return self.field_of_nil(frame, &receiver, name);
        }
        let has_args = rest.len() > 0 || last.is_some();
        match &receiver.value {
            Value::Map(map) => {
                if let Some(method) = find(map.typ().methods, name) {
                    let target = Target::Method(method, receiver.value.clone());
                    return self.call(frame, dot, target, node, name, rest, last);
                }
                if has_args {
                    return self.fail(frame, &format!("{name} is not a method but has arguments"));
                }
                self.key(frame, map, at)
            }
            Value::List(list) => match find(list.typ().methods, name) {
                Some(method) => {
                    let target = Target::Method(method, receiver.value.clone());
                    self.call(frame, dot, target, node, name, rest, last)
                }
                None => self.no_field(frame, &receiver, name),
            },
            Value::Object(object) => {
                let object = Rc::clone(object);
                self.object_field(frame, dot, (&receiver, object), at, node, rest, last)
            }
            _ => self.no_field(frame, &receiver, name),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a field access consists of in Go")]
    fn object_field(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Typed,
        (receiver, object): (&Typed, Rc<dyn Object>),
        at: u32,
        node: At,
        rest: Span,
        last: Option<Value>,
    ) -> Result<Typed> {
        let name = &frame.tree.file.names[at as usize].text;
        let Some(text) = name.as_str() else { return self.no_field(frame, receiver, name) };
        if let Some(signature) = object.method(text) {
            let target = Target::ObjectMethod(object, signature);
            return self.call(frame, dot, target, node, name, rest, last);
        }
        let has_args = rest.len() > 0 || last.is_some();
        if let Some(value) = object.field(text) {
            if has_args {
                return self.fail(frame, &format!("{name} has arguments but cannot be invoked as function"));
            }
            let interface = value.is_nil();
            return Ok(Typed { value, interface });
        }
        if let Some(Value::Map(map)) = object.underlying() {
            if has_args {
                return self.fail(frame, &format!("{name} is not a method but has arguments"));
            }
            return self.key(frame, &map, at);
        }
        self.no_field(frame, receiver, name)
    }

    fn field_of_nil(&self, frame: &Frame<'_>, receiver: &Typed, name: &Str) -> Result<Typed> {
        if receiver.interface {
            return self.fail(frame, &format!("nil pointer evaluating interface {{}}.{name}"));
        }
        if self.options.missing_key == MissingKey::Error {
            return self.fail(frame, &format!("nil data; no entry for key {}", quote::quote(name.as_bytes())));
        }
        Ok(Typed::default())
    }

    fn no_field(&self, frame: &Frame<'_>, receiver: &Typed, name: &Str) -> Result<Typed> {
        self.fail(frame, &format!("can't evaluate field {name} in type {}", receiver.type_name()))
    }
}

fn find(methods: &'static [&'static Method], name: &Str) -> Option<&'static Method> {
    methods.iter().copied().find(|method| name == method.name)
}
