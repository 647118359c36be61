//! Evaluates pipelines, commands and operands.
use crate::exec::execution::{Execution, Frame, Result, Typed, Variable};
use crate::parse::number::Ideal;
use crate::parse::tree::{ArgId, ArgKind, At, CommandId, PipeId, Span};
use crate::string::lossy;
use crate::value::Value;

/// No arguments.
pub(crate) const NO_ARGS: Span = Span { start: 0, end: 0 };

impl Execution<'_> {
    /// The value of a pipeline, out of its interface; variables it declares are pushed.
    pub(crate) fn pipeline(&mut self, frame: &mut Frame<'_>, dot: &Typed, id: PipeId) -> Result<Value> {
        frame.at = At::Pipe(id);
        let pipe = &frame.tree.file.pipes[id.0 as usize];
        let mut value = self.command(frame, dot, CommandId(pipe.commands.start), None)?.value;
        for command in pipe.commands.start + 1..pipe.commands.end {
            value = self.command(frame, dot, CommandId(command), Some(value))?.value;
        }
        for variable in pipe.decl() {
            let value = Typed::plain(value.clone());
            if pipe.assign {
                self.assign(frame, *variable, value)?;
            } else {
                self.vars.push(Variable { id: *variable, value });
            }
        }
        Ok(value)
    }

    fn command(&mut self, frame: &mut Frame<'_>, dot: &Typed, id: CommandId, last: Option<Value>) -> Result<Typed> {
        let tree = frame.tree;
        let args = tree.file.commands[id.0 as usize].args;
        let first = ArgId(args.start);
        let rest = Span { start: args.start + 1, end: args.end };
        let arg = tree.file.args[first.0 as usize];
        match arg.kind {
            ArgKind::Field(names) => {
                frame.at = At::Arg(first);
                self.chain(frame, dot, dot, names, rest, last)
            }
            ArgKind::Function(callee, _) => {
                frame.at = At::Arg(first);
                self.function(frame, dot, callee, At::Command(id), first, rest, last)
            }
            ArgKind::Variable(variable, names) => self.variable(frame, dot, first, (variable, names), rest, last),
            ArgKind::Chain(operand, names) => self.chain_node(frame, dot, first, (operand, names), rest, last),
            ArgKind::Pipe(pipe) => {
                self.not_a_function(frame, first, rest, &last)?;
                let value = self.parenthesized(frame, dot, pipe)?;
                Ok(Typed::plain(value))
            }
            ArgKind::Nil => {
                frame.at = At::Arg(first);
                self.not_a_function(frame, first, rest, &last)?;
                self.fail(frame, "nil is not a command")
            }
            ArgKind::Dot | ArgKind::Bool(_) | ArgKind::Number(..) | ArgKind::String(..) => {
                frame.at = At::Arg(first);
                self.not_a_function(frame, first, rest, &last)?;
                self.operand(frame, dot, first)
            }
        }
    }

    fn parenthesized(&mut self, frame: &mut Frame<'_>, dot: &Typed, pipe: PipeId) -> Result<Value> {
        self.deeper(|execution| execution.pipeline(frame, dot, pipe))
    }

    fn not_a_function(&self, frame: &Frame<'_>, first: ArgId, rest: Span, last: &Option<Value>) -> Result<()> {
        if rest.len() == 0 && last.is_none() {
            return Ok(());
        }
        let shown = frame.tree.show(At::Arg(first));
        self.fail(frame, &format!("can't give argument to non-function {}", lossy(&shown)))
    }

    /// An operand where any type will do.
    pub(crate) fn operand(&mut self, frame: &mut Frame<'_>, dot: &Typed, id: ArgId) -> Result<Typed> {
        let tree = frame.tree;
        frame.at = At::Arg(id);
        Ok(match tree.file.args[id.0 as usize].kind {
            ArgKind::Dot => dot.clone(),
            ArgKind::Nil => Typed::default(),
            ArgKind::Bool(value) => Typed::plain(Value::Bool(value)),
            ArgKind::Number(number, span) => match tree.file.numbers[number as usize].ideal {
                Ideal::Int(value) => Typed::plain(Value::int(value)),
                Ideal::Float(value) => Typed::plain(Value::Float(value)),
                Ideal::Complex(value) => Typed::plain(value.value()),
                Ideal::Overflow => {
                    let shown = lossy(tree.source(span));
                    return self.fail(frame, &format!("{shown} overflows int"));
                }
            },
            ArgKind::String(text, _) => Typed::plain(Value::Str(tree.file.strings[text as usize].clone())),
            ArgKind::Field(names) => return self.chain(frame, dot, dot, names, NO_ARGS, None),
            ArgKind::Variable(variable, names) => {
                return self.variable(frame, dot, id, (variable, names), NO_ARGS, None);
            }
            ArgKind::Function(callee, _) => {
                return self.function(frame, dot, callee, At::Arg(id), id, NO_ARGS, None);
            }
            ArgKind::Chain(operand, names) => {
                return self.chain_node(frame, dot, id, (operand, names), NO_ARGS, None);
            }
            ArgKind::Pipe(pipe) => Typed::plain(self.parenthesized(frame, dot, pipe)?),
        })
    }

    fn variable(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Typed,
        id: ArgId,
        (variable, names): (u32, Span),
        rest: Span,
        last: Option<Value>,
    ) -> Result<Typed> {
        frame.at = At::Arg(id);
        let Some(at) = self.find_variable(frame, variable) else {
            return self.undefined(frame, variable);
        };
        let value = self.vars[at].value.clone();
        if names.len() == 0 {
            self.not_a_function(frame, id, rest, &last)?;
            return Ok(value);
        }
        self.chain(frame, dot, &value, names, rest, last)
    }

    fn chain_node(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Typed,
        id: ArgId,
        (operand, names): (ArgId, Span),
        rest: Span,
        last: Option<Value>,
    ) -> Result<Typed> {
        frame.at = At::Arg(id);
        let receiver = self.operand(frame, dot, operand)?;
        self.chain_at(frame, dot, &receiver, names, At::Arg(id), rest, last)
    }

    /// Where a variable stands on the stack: the latest of its name in this template.
    fn find_variable(&self, frame: &Frame<'_>, id: u32) -> Option<usize> {
        if id == 0 && !frame.tree.root_redeclared {
            return Some(frame.base);
        }
        let found = self.vars[frame.base..].iter().rposition(|variable| variable.id == id);
        found.map(|at| frame.base + at)
    }

    pub(crate) fn assign(&mut self, frame: &Frame<'_>, id: u32, value: Typed) -> Result<()> {
        match self.find_variable(frame, id) {
            Some(at) => {
                self.vars[at].value = value;
                Ok(())
            }
            None => self.undefined(frame, id),
        }
    }

    fn undefined<T>(&self, frame: &Frame<'_>, id: u32) -> Result<T> {
        self.fail(frame, &format!("undefined variable: {}", frame.tree.file.variables[id as usize]))
    }
}
