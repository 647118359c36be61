//! The parser's second half: pipelines, commands and operands.
use crate::parse::build::PipeParts;
use crate::parse::item::{Item, ItemType};
use crate::parse::number;
use crate::parse::parser::{PAREN_DEPTH_MAX, Parser, Result, STACK_RED_ZONE, STACK_SEGMENT};
use crate::parse::tree::{Arg, ArgKind, Builtin, Callee, PipeId, Span};
use crate::quote;

impl Parser<'_> {
    pub(super) fn pipeline(&mut self, context: &str, end: ItemType) -> Result<PipeId> {
        let mut parts = PipeParts { pos: self.peek_non_space().pos, ..PipeParts::default() };
        while self.declaration(&mut parts, context)? {}
        loop {
            let token = self.next_non_space();
            match token.typ {
                typ if typ == end => {
                    self.check_pipeline(&parts, context)?;
                    return Ok(self.current.build.pipe(parts));
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
                    parts.commands.push(command);
                }
                _ => return self.unexpected(token, context),
            }
        }
    }

    /// Reads a variable before `:=`, `=` or `,`; true if another one follows.
    fn declaration(&mut self, parts: &mut PipeParts, context: &str) -> Result<bool> {
        let variable = self.peek_non_space();
        if variable.typ != ItemType::Variable {
            return Ok(false);
        }
        self.next();
        let after = self.peek();
        let next = self.peek_non_space();
        let is_comma = next.typ == ItemType::Char && self.val(next) == b",";
        if !is_comma && !matches!(next.typ, ItemType::Assign | ItemType::Declare) {
            match after.typ {
                ItemType::Space => self.backup3(variable, after),
                _ => self.backup2(variable),
            }
            return Ok(false);
        }
        self.next_non_space();
        let name = self.source[variable.pos as usize..variable.end as usize].to_vec();
        let id = self.current.build.variable(&name);
        parts.decl.push(id);
        self.current.vars.push(id);
        if !is_comma {
            parts.assign = next.typ == ItemType::Assign;
            return Ok(false);
        }
        if context == "range" && parts.decl.len() < 2 {
            return match self.peek_non_space().typ {
                ItemType::Variable | ItemType::RightDelim | ItemType::RightParen => Ok(true),
                _ => self.error("range can only initialize variables"),
            };
        }
        self.error(&format!("too many declarations in {context}"))
    }

    fn check_pipeline(&mut self, parts: &PipeParts, context: &str) -> Result<()> {
        if parts.commands.is_empty() {
            return self.error(&format!("missing value for {context}"));
        }
        for (at, command) in parts.commands.iter().enumerate().skip(1) {
            if let ArgKind::Bool(_) | ArgKind::Dot | ArgKind::Nil | ArgKind::Number(..) | ArgKind::String(..) =
                command.1[0].kind
            {
                return self.error(&format!("non executable command in pipeline stage {}", at + 1));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Result<(u32, Vec<Arg>)> {
        let pos = self.peek_non_space().pos;
        let mut args = Vec::new();
        loop {
            self.peek_non_space();
            if let Some(arg) = self.operand()? {
                args.push(arg);
            }
            let token = self.next();
            match token.typ {
                ItemType::Space => continue,
                ItemType::RightDelim | ItemType::RightParen => self.backup(),
                ItemType::Pipe => {}
                _ => return self.unexpected(token, "operand"),
            }
            break;
        }
        if args.is_empty() {
            return self.error("empty command");
        }
        Ok((pos, args))
    }

    /// A term and the fields after it.
    fn operand(&mut self) -> Result<Option<Arg>> {
        let Some(arg) = self.term()? else { return Ok(None) };
        if self.peek().typ != ItemType::Field {
            return Ok(Some(arg));
        }
        let pos = self.peek().pos;
        let mut fields = Vec::new();
        while self.peek().typ == ItemType::Field {
            let token = self.next();
            fields.push(self.source[token.pos as usize + 1..token.end as usize].to_vec());
        }
        let build = &mut self.current.build;
        let kind = match arg.kind {
            ArgKind::Field(names) => ArgKind::Field(build.names(Some(names), &fields)),
            ArgKind::Variable(variable, names) => ArgKind::Variable(variable, build.names(Some(names), &fields)),
            ArgKind::Bool(_) | ArgKind::String(..) | ArgKind::Number(..) | ArgKind::Nil | ArgKind::Dot => {
                let shown = self.show_literal(arg);
                return self.error(&format!("unexpected . after term {}", quote::quote(&shown)));
            }
            _ => {
                let operand = build.arg(arg);
                ArgKind::Chain(operand, build.names(None, &fields))
            }
        };
        Ok(Some(Arg { pos, kind }))
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
        let token = self.next_non_space();
        let span = Span { start: token.pos, end: token.end };
        let kind = match token.typ {
            ItemType::Identifier => {
                let callee = self.callee(token)?;
                ArgKind::Function(self.current.build.function(callee), span)
            }
            ItemType::Dot => ArgKind::Dot,
            ItemType::Nil => ArgKind::Nil,
            ItemType::Variable => self.use_variable(token)?,
            ItemType::Field => {
                let name = self.val(token)[1..].to_vec();
                ArgKind::Field(self.current.build.names(None, &[name]))
            }
            ItemType::Bool => ArgKind::Bool(self.val(token) == b"true"),
            ItemType::CharConstant | ItemType::Complex | ItemType::Number => {
                let number = match token.typ {
                    ItemType::CharConstant => number::char_constant(self.val(token)),
                    ItemType::Number => number::number(self.val(token)),
                    _ => number::complex(self.val(token)),
                };
                match number {
                    Ok(number) => ArgKind::Number(self.current.build.number(number), span),
                    Err(text) => return self.error(&text),
                }
            }
            ItemType::LeftParen => ArgKind::Pipe(self.parenthesized()?),
            ItemType::String | ItemType::RawString => {
                let text = self.unquote(token)?;
                ArgKind::String(self.current.build.string(text), span)
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
        let pipe = stacker::maybe_grow(STACK_RED_ZONE, STACK_SEGMENT, || {
            self.pipeline("parenthesized pipeline", ItemType::RightParen)
        });
        self.current.paren_depth -= 1;
        pipe
    }

    fn callee(&mut self, token: Item) -> Result<Callee> {
        let name = self.val(token);
        let found = std::str::from_utf8(name).ok().and_then(|name| self.functions.find(name));
        match (found, Builtin::find(name)) {
            (Some(function), _) => Ok(Callee::Function(function)),
            (None, Some(builtin)) => Ok(Callee::Builtin(builtin)),
            (None, None) => self.error(&format!("function {} not defined", quote::quote(name))),
        }
    }

    fn use_variable(&mut self, token: Item) -> Result<ArgKind> {
        let name = self.val(token).to_vec();
        match self.current.build.find_variable(&name).filter(|id| self.current.vars.contains(id)) {
            Some(id) => Ok(ArgKind::Variable(id, self.current.build.names(None, &[]))),
            None => self.error(&format!("undefined variable {}", quote::quote(&name))),
        }
    }
}
