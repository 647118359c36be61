//! text/template's own functions.
use crate::exec::compare::{eq, le, lt};
use crate::exec::escape;
use crate::exec::execution::{Execution, Typed};
use crate::exec::index::{index, length, slice};
use crate::fmt::print;
use crate::function::{Param, Signature};
use crate::parse::tree::Builtin;
use crate::string::Str;
use crate::value::Value;

const NONE: &[Param] = &[];
const ONE: &[Param] = &[Param::Reflect];
const TWO: &[Param] = &[Param::Reflect, Param::Reflect];
const FORMAT: &[Param] = &[Param::Str];

impl Builtin {
    /// Its name, and its parameters as Go declares them.
    pub(crate) fn signature(self) -> (&'static str, Signature) {
        let (name, params, variadic) = match self {
            Builtin::And => ("and", ONE, Some(Param::Reflect)),
            Builtin::Or => ("or", ONE, Some(Param::Reflect)),
            Builtin::Call => ("call", ONE, Some(Param::Reflect)),
            Builtin::Html => ("html", NONE, Some(Param::Any)),
            Builtin::Index => ("index", ONE, Some(Param::Reflect)),
            Builtin::Slice => ("slice", ONE, Some(Param::Reflect)),
            Builtin::Js => ("js", NONE, Some(Param::Any)),
            Builtin::Len => ("len", ONE, None),
            Builtin::Not => ("not", ONE, None),
            Builtin::Print => ("print", NONE, Some(Param::Any)),
            Builtin::Printf => ("printf", FORMAT, Some(Param::Any)),
            Builtin::Println => ("println", NONE, Some(Param::Any)),
            Builtin::Urlquery => ("urlquery", NONE, Some(Param::Any)),
            Builtin::Eq => ("eq", ONE, Some(Param::Reflect)),
            Builtin::Ge => ("ge", TWO, None),
            Builtin::Gt => ("gt", TWO, None),
            Builtin::Le => ("le", TWO, None),
            Builtin::Lt => ("lt", TWO, None),
            Builtin::Ne => ("ne", TWO, None),
        };
        (name, Signature { params, variadic })
    }
}

impl Execution<'_> {
    /// Runs a builtin whose arguments are there in the right number. `and`, `or`, `call` and `printf`'s format are seen
    /// to by the caller.
    pub(crate) fn run_builtin(&mut self, builtin: Builtin, args: &[Typed]) -> Result<Typed, String> {
        let nothing = Typed::default();
        let (first, second) = (args.first().unwrap_or(&nothing), args.get(1).unwrap_or(&nothing));
        let truth = |value: bool| Ok(Typed::plain(Value::Bool(value)));
        match builtin {
            Builtin::Eq => truth(eq(&first.value, args[1..].iter().map(|arg| &arg.value))?),
            Builtin::Ne => truth(!eq(&first.value, std::iter::once(&second.value))?),
            Builtin::Lt => truth(lt(&first.value, &second.value)?),
            Builtin::Le => truth(le(&first.value, &second.value)?),
            Builtin::Gt => truth(!le(&first.value, &second.value)?),
            Builtin::Ge => truth(!lt(&first.value, &second.value)?),
            Builtin::Not => truth(!first.value.truth()),
            Builtin::Len => length(first).map(|length| Typed::plain(Value::int(length as i64))),
            Builtin::Index => index(args),
            Builtin::Slice => slice(args).map(Typed::plain),
            Builtin::And | Builtin::Or | Builtin::Call => Err(format!("{builtin:?} is not called here")),
            Builtin::Print | Builtin::Println | Builtin::Printf => self.printed(builtin, args),
            Builtin::Html | Builtin::Js | Builtin::Urlquery => {
                let mut text = Vec::new();
                print::sprint_pointed(&mut text, &shown(args))?;
                let mut out = Vec::with_capacity(text.len() + 16);
                match builtin {
                    Builtin::Html => escape::html(&mut out, &text),
                    Builtin::Js => escape::js(&mut out, &text),
                    _ => escape::url_query(&mut out, &text),
                }
                self.text(out)
            }
        }
    }

    fn printed(&mut self, builtin: Builtin, args: &[Typed]) -> Result<Typed, String> {
        let mut values = self.spare.pop().unwrap_or_default();
        values.extend(args.iter().map(|arg| arg.value.clone()));
        let mut out = Vec::new();
        let done = match (builtin, values.split_first()) {
            (Builtin::Printf, Some((Value::Str(format), rest))) => print::sprintf(&mut out, format.as_bytes(), rest),
            (Builtin::Println, _) => print::sprintln(&mut out, &values),
            _ => print::sprint(&mut out, &values),
        };
        values.clear();
        self.spare.push(values);
        done?;
        self.text(out)
    }

    fn text(&mut self, out: Vec<u8>) -> Result<Typed, String> {
        self.made(out.len())?;
        Ok(Typed::plain(Value::Str(Str::from(out))))
    }
}

/// What escapers show: `<no value>` in the place of nil, but for a single one, as in Go.
fn shown(args: &[Typed]) -> Vec<Value> {
    let show = |arg: &Typed| match &arg.value {
        Value::Nil => Value::from("<no value>"),
        value => value.clone(),
    };
    args.iter().map(show).collect()
}

/// `call`: nothing that templates see here is a function value, so it always fails, as in Go.
pub(crate) fn call(name: &str, args: &[Typed]) -> String {
    match args.first() {
        Some(Typed { value: Value::Nil, .. }) | None => "call of nil".to_owned(),
        Some(value) => format!("non-function {name} of type {}", value.value.type_name()),
    }
}
