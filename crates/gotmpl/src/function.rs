//! Functions that templates call: their parameters as Go declares them, their bodies, and what a body may reach.
use crate::kind::{IntKind, UintKind};
use crate::string::Str;
use crate::value::Value;
use std::any::Any;

/// The Go type of a parameter. The engine checks and converts arguments, so that a body sees values of these types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// `interface {}`: anything, `Value::Nil` too.
    Any,
    /// `reflect.Value`: anything, `Value::Nil` too; only text/template's own functions have it.
    Reflect,
    /// `string`: `Value::Str`.
    Str,
    /// `bool`: `Value::Bool`.
    Bool,
    /// A signed integer: `Value::Int` of that kind.
    Int(IntKind),
    /// A named signed integer, by the name that `type_name` of its objects gives: `Value::Int` of that kind.
    Named(&'static str, IntKind),
    /// An unsigned integer: `Value::Uint` of that kind.
    Uint(UintKind),
    /// `float64`: `Value::Float`.
    Float,
    /// `map[string]interface {}`: `Value::Map`, perhaps a nil one.
    Map,
    /// `map[string]string`: `Value::Map`, perhaps a nil one.
    StrMap,
    /// `[]interface {}`: `Value::List`, perhaps a nil one.
    List,
    /// `[]string`: `Value::List`, perhaps a nil one.
    StrList,
    /// `[]uint8`: `Value::Bytes`, or `Value::Nil` for nil.
    Bytes,
    /// `error`: an object with a text, or `Value::Nil` for nil.
    Error,
    /// A struct type, by the name that `type_name` of its objects gives: `time.Time`. Never nil.
    Struct(&'static str),
    /// A pointer type, by the name that `type_name` of its objects gives: `*semver.Version`. `Value::Nil` for nil.
    Pointer(&'static str),
}

impl Param {
    /// The type's name in Go's messages.
    pub fn name(self) -> &'static str {
        match self {
            Param::Any => "interface {}",
            Param::Reflect => "reflect.Value",
            Param::Str => "string",
            Param::Bool => "bool",
            Param::Int(kind) => kind.name(),
            Param::Uint(kind) => kind.name(),
            Param::Float => "float64",
            Param::Map => "map[string]interface {}",
            Param::StrMap => "map[string]string",
            Param::List => "[]interface {}",
            Param::StrList => "[]string",
            Param::Bytes => "[]uint8",
            Param::Error => "error",
            Param::Struct(name) | Param::Pointer(name) | Param::Named(name, _) => name,
        }
    }
}

/// The parameters of a function or method.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// The fixed ones.
    pub params: &'static [Param],
    /// What may follow any number of times.
    pub variadic: Option<Param>,
}

/// A function's body. An error becomes Go's `error calling NAME: …`.
pub type Body = fn(&mut Call<'_>, &[Value]) -> Result<Value, String>;

/// A function that templates call by name.
pub struct Function {
    /// Its name in templates.
    pub name: &'static str,
    /// The fixed parameters.
    pub params: &'static [Param],
    /// What may follow any number of times.
    pub variadic: Option<Param>,
    /// What it does.
    pub call: Body,
}

/// A method of a named list or map type; the receiver is the first value of the body's arguments.
pub struct Method {
    /// Its name in templates.
    pub name: &'static str,
    /// The fixed parameters, without the receiver.
    pub params: &'static [Param],
    /// What may follow any number of times.
    pub variadic: Option<Param>,
    /// What it does: `args[0]` is the receiver.
    pub call: Body,
}

/// The functions that templates may call besides text/template's own, which they hide where names are equal.
pub trait FunctionMap: Sync {
    /// The function of a name.
    fn find(&self, name: &[u8]) -> Option<&'static Function>;
}

/// No functions but text/template's own.
pub struct NoFunctions;

impl FunctionMap for NoFunctions {
    fn find(&self, _name: &[u8]) -> Option<&'static Function> {
        None
    }
}

/// Where a call stands in the templates: a stable name for what must be derived and not drawn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The name under which the file was parsed: `mychart/templates/x.yaml`.
    pub template: Str,
    /// From 1.
    pub line: u32,
    /// In bytes, from 0, as in Go's messages.
    pub column: u32,
    /// How many calls by `Call::place` were made at this line and column before, in this render.
    pub count: u32,
}

/// What the engine offers to a function's body while it runs.
pub trait Runtime {
    /// See `Call::host`.
    fn host(&mut self) -> &mut dyn Any;
    /// See `Call::execute`.
    fn execute(&mut self, name: &[u8], dot: Value) -> Result<Str, String>;
    /// See `Call::parse`.
    fn parse(&mut self, name: &str, source: &Str) -> Result<ParsedId, String>;
    /// See `Call::execute_parsed`.
    fn execute_parsed(&mut self, parsed: ParsedId, dot: Value) -> Result<Str, String>;
    /// See `Call::place`.
    fn place(&mut self) -> Place;
    /// See `Call::spend`.
    fn spend(&mut self, steps: u64, bytes: u64) -> Result<(), String>;
    /// See `Call::strict`.
    fn strict(&self) -> bool;
}

/// A template that `Call::parse` parsed, valid until the end of the render.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedId(pub(crate) u32);

/// What a function's body may reach.
pub struct Call<'a> {
    runtime: &'a mut dyn Runtime,
}

impl<'a> Call<'a> {
    /// For the engine, and for tests of bodies.
    pub fn new(runtime: &'a mut dyn Runtime) -> Call<'a> {
        Call { runtime }
    }

    /// What the caller of the engine supplied, if it is a `T`: entropy, time, lookups.
    pub fn host<T: 'static>(&mut self) -> Option<&mut T> {
        self.runtime.host().downcast_mut()
    }

    /// Executes a template of the current set by name, with a new stack of variables; its output is not written but
    /// returned. The error is Go's `ExecuteTemplate`'s whole text.
    pub fn execute(&mut self, name: &[u8], dot: Value) -> Result<Str, String> {
        self.runtime.execute(name, dot)
    }

    /// Parses a source as `t.Clone()`, `t.New(name).Parse(source)`: what it defines is seen by its own execution only.
    /// Equal sources are parsed once a render. The error is Go's `Parse`'s whole text.
    pub fn parse(&mut self, name: &str, source: &Str) -> Result<ParsedId, String> {
        self.runtime.parse(name, source)
    }

    /// Executes what `parse` gave; its output is not written but returned. The error is Go's `Execute`'s whole text.
    pub fn execute_parsed(&mut self, parsed: ParsedId, dot: Value) -> Result<Str, String> {
        self.runtime.execute_parsed(parsed, dot)
    }

    /// Where the call stands; each asking counts.
    pub fn place(&mut self) -> Place {
        self.runtime.place()
    }

    /// Accounts for work of a body whose cost is not bounded by the length of its arguments: steps of a loop and bytes
    /// made. Fails when a budget is used up; call it before the work is done.
    pub fn spend(&mut self, steps: u64, bytes: u64) -> Result<(), String> {
        self.runtime.spend(steps, bytes)
    }

    /// Is a missing key an error (`missingkey=error`, Helm's `--strict`)?
    pub fn strict(&self) -> bool {
        self.runtime.strict()
    }
}
