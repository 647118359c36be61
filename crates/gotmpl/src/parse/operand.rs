//! The parser's second half: pipelines, commands and operands.
use crate::parse::build::PipeParts;
use crate::parse::item::{Item, ItemType};
use crate::parse::number;
use crate::parse::parser::{PAREN_DEPTH_MAX, Parser, Result, on_stack};
use crate::parse::tree::{Arg, ArgKind, Builtin, Callee, Command, PipeId, Span};
use crate::quote;

impl Parser<'_> {
    pub(super) fn pipeline(&mut self, context: &str, end: ItemType) -> Result<PipeId> {
        let mark = self.commands.len();
        let mut parts = PipeParts { pos: self.peek().pos, ..PipeParts::default() };
        while self.declaration(&mut parts, context)? {}
        loop {
            let token = self.next();
            match token.typ {
                typ if typ == end => {
                    self.check_pipeline(mark, context)?;
                    let pipe = self.build.pipe(parts, &self.commands[mark..]);
                    self.commands.truncate(mark);
                    return Ok(pipe);
                }
                ItemType::Bool
                | ItemType::CharConstant
                | ItemType::Complex
                | ItemType::Dot
                | ItemType::Field
                | ItemType::Identifier
                | ItemType::Number
                | ItemType::Nil
                | ItemType::RawString
                | ItemType::String
                | ItemType::Variable
                | ItemType::LeftParen => {
                    self.backup();
                    let command = self.command()?;
                    self.commands.push(command);
                }
                _ => return self.unexpected(token, context),
            }
        }
    }

    /// Reads a variable before `:=`, `=` or `,`; true if another one follows.
    fn declaration(&mut self, parts: &mut PipeParts, context: &str) -> Result<bool> {
        let variable = self.peek();
        if variable.typ != ItemType::Variable {
            return Ok(false);
        }
        self.next();
        let next = self.peek();
        let is_comma = next.typ == ItemType::Char && self.val(next) == b",";
        if !is_comma && !matches!(next.typ, ItemType::Assign | ItemType::Declare) {
            self.backup();
            return Ok(false);
        }
        self.next();
        let name = self.val(variable);
        let id = self.build.variable(name);
        if let Some(slot) = parts.decl.get_mut(usize::from(parts.decl_count)) {
            *slot = id;
            parts.decl_count += 1;
        }
        self.current.vars.push(id);
        self.current.root_redeclared |= id == 0 && next.typ != ItemType::Assign;
        if !is_comma {
            parts.assign = next.typ == ItemType::Assign;
            return Ok(false);
        }
        if context == "range" && parts.decl_count < 2 {
            return match self.peek().typ {
                ItemType::Variable | ItemType::RightDelim | ItemType::RightParen => Ok(true),
                _ => self.error("range can only initialize variables"),
            };
        }
        self.error(&format!("too many declarations in {context}"))
    }

    fn check_pipeline(&mut self, mark: usize, context: &str) -> Result<()> {
        if self.commands.len() == mark {
            return self.error(&format!("missing value for {context}"));
        }
        for (at, command) in self.commands[mark..].iter().enumerate().skip(1) {
            if let ArgKind::Bool(_) | ArgKind::Dot | ArgKind::Nil | ArgKind::Number(..) | ArgKind::String(..) =
                self.build.first_arg(command).kind
            {
                return self.error(&format!("non executable command in pipeline stage {}", at + 1));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Result<Command> {
        let mark = self.args.len();
        let pos = self.peek().pos;
        loop {
            let arg = self.operand()?;
            let found = arg.is_some();
            self.args.extend(arg);
            let token = self.next();
            match token.typ {
                ItemType::RightDelim | ItemType::RightParen => self.backup(),
                ItemType::Pipe => {}
                _ if found && !token.is_attached() => {
                    self.backup();
                    continue;
                }
                _ => return self.unexpected(token, "operand"),
            }
            break;
        }
        if self.args.len() == mark {
            return self.error("empty command");
        }
        let command = self.build.command(pos, &self.args[mark..]);
        self.args.truncate(mark);
        Ok(command)
    }

    /// A term and the fields after it.
    fn operand(&mut self) -> Result<Option<Arg>> {
        let Some(arg) = self.term()? else { return Ok(None) };
        let first = self.peek();
        if !is_attached_field(first) {
            return Ok(Some(arg));
        }
        let mut start = self.build.next_name();
        if let ArgKind::Field(names) = arg.kind {
            // Its name was the last one, so the chain goes on.
            start = names.start;
        }
        while is_attached_field(self.peek()) {
            let token = self.next();
            self.name(token);
        }
        let names = Span { start, end: self.build.next_name() };
        let kind = match arg.kind {
            ArgKind::Field(_) => ArgKind::Field(names),
            ArgKind::Variable(variable, _) => ArgKind::Variable(variable, names),
            ArgKind::Bool(_) | ArgKind::String(..) | ArgKind::Number(..) | ArgKind::Nil | ArgKind::Dot => {
                let shown = self.show_literal(arg);
                let text = format!("unexpected . after term {}", quote::quote(&shown));
                // Go has read up to the space that follows.
                let after = self.peek();
                return self.error_at(after.gap, &text);
            }
            _ => ArgKind::Chain(self.build.arg(arg), names),
        };
        Ok(Some(Arg { pos: first.pos, kind }))
    }

    /// Keeps the name of a field.
    fn name(&mut self, token: Item) -> u32 {
        let name = self.val(token).get(1..).unwrap_or_default();
        self.build.name(name)
    }

    fn show_literal(&self, arg: Arg) -> Vec<u8> {
        match arg.kind {
            ArgKind::Bool(value) => value.to_string().into_bytes(),
            ArgKind::String(_, span) | ArgKind::Number(_, span) => self.source[span.range()].to_vec(),
            ArgKind::Nil => b"nil".to_vec(),
            _ => b".".to_vec(),
        }
    }

    fn term(&mut self) -> Result<Option<Arg>> {
        let token = self.next();
        let span = Span { start: token.pos, end: token.end };
        let kind = match token.typ {
            ItemType::Identifier => {
                let callee = self.callee(token)?;
                ArgKind::Function(self.build.function(callee), span)
            }
            ItemType::Dot => ArgKind::Dot,
            ItemType::Nil => ArgKind::Nil,
            ItemType::Variable => self.use_variable(token)?,
            ItemType::Field => {
                let end = self.name(token);
                ArgKind::Field(Span { start: end - 1, end })
            }
            ItemType::Bool => ArgKind::Bool(self.val(token) == b"true"),
            ItemType::CharConstant | ItemType::Complex | ItemType::Number => {
                let number = match token.typ {
                    ItemType::CharConstant => number::char_constant(self.val(token)),
                    ItemType::Number => number::number(self.val(token)),
                    _ => number::complex(self.val(token)),
                };
                match number {
                    Ok(number) => ArgKind::Number(self.build.number(number), span),
                    Err(text) => return self.error(&text),
                }
            }
            ItemType::LeftParen => ArgKind::Pipe(self.parenthesized()?),
            ItemType::String | ItemType::RawString => {
                let text = self.unquote(token)?;
                ArgKind::String(self.build.string(text), span)
            }
            _ => {
                self.backup();
                return Ok(None);
            }
        };
        Ok(Some(Arg { pos: token.pos, kind }))
    }

    fn parenthesized(&mut self) -> Result<PipeId> {
        if self.current.paren_depth >= PAREN_DEPTH_MAX {
            return self.error("max expression depth exceeded");
        }
        self.current.paren_depth += 1;
        let levels = self.current.paren_depth - 1;
        let pipe = on_stack(levels, || self.pipeline("parenthesized pipeline", ItemType::RightParen));
        self.current.paren_depth -= 1;
        pipe
    }

    fn callee(&mut self, token: Item) -> Result<Callee> {
        let name = self.val(token);
        if let Some(function) = self.functions.find(name) {
            return Ok(Callee::Function(function));
        }
        match Builtin::find(name) {
            Some(builtin) => Ok(Callee::Builtin(builtin)),
            None => self.error(&format!("function {} not defined", quote::quote(name))),
        }
    }

    fn use_variable(&mut self, token: Item) -> Result<ArgKind> {
        let name = self.val(token);
        match self.current.vars.iter().rev().find(|id| self.build.is_variable(**id, name)) {
            Some(&id) => Ok(ArgKind::Variable(id, Span { start: 0, end: 0 })),
            None => self.error(&format!("undefined variable {}", quote::quote(name))),
        }
    }
}

/// A field right behind what is before it belongs to it.
#[inline]
fn is_attached_field(token: Item) -> bool {
    token.typ == ItemType::Field && token.is_attached()
}
