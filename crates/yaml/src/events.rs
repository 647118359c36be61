//! Tokens to events: libyaml's grammar as a machine of states, with tags and anchors put onto nodes.

use std::borrow::Cow;

use crate::error::{Error, Fault};
use crate::input::Text;
use crate::limits::Limits;
use crate::scan::Scanner;
use crate::token::{Kind, Mark, Token};

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The stream is over.
    StreamEnd,
    /// A document begins.
    DocumentStart,
    /// A document ends.
    DocumentEnd,
    /// `*name`
    Alias,
    /// A scalar whose type its text decides.
    Plain,
    /// A scalar that is text unless a tag says otherwise.
    Quoted,
    /// A sequence begins.
    SequenceStart,
    /// A sequence ends.
    SequenceEnd,
    /// A mapping begins.
    MappingStart,
    /// A mapping ends.
    MappingEnd,
}

/// One event.
#[derive(Debug)]
pub struct Event<'a> {
    /// What it says.
    pub kind: EventKind,
    /// Where it starts.
    pub mark: Mark,
    /// Text of a scalar, name of an alias.
    pub value: Cow<'a, str>,
    /// Name that the node is given.
    pub anchor: Option<Cow<'a, str>>,
    /// Full tag of the node.
    pub tag: Option<Box<str>>,
}

impl<'a> Event<'a> {
    fn bare(kind: EventKind, mark: Mark) -> Self {
        Event { kind, mark, value: Cow::Borrowed(""), anchor: None, tag: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    ImplicitDocumentStart,
    DocumentStart,
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockSequenceFirst,
    BlockSequence,
    IndentlessSequence,
    BlockMappingFirst,
    BlockMappingKey,
    BlockMappingValue,
    FlowSequenceFirst,
    FlowSequence,
    FlowPairKey,
    FlowPairValue,
    FlowPairEnd,
    FlowMappingFirst,
    FlowMappingKey,
    FlowMappingValue,
    FlowMappingNoValue,
    End,
}

/// Turns one piece of a stream into events.
pub struct Events<'a> {
    /// The tokens; it also knows where a mark is.
    pub scanner: Scanner<'a>,
    state: State,
    states: Vec<State>,
    tag_directives: Vec<(String, String)>,
}

type Next<'a> = Result<Event<'a>, Error>;

impl<'a> Events<'a> {
    /// The events of `text`, whose first line is `first_line` (from 0) of the stream.
    pub fn new(text: Text<'a>, first_line: usize, more: bool, limits: &Limits) -> Self {
        Events {
            scanner: Scanner::new(text, first_line, more, limits),
            state: State::ImplicitDocumentStart,
            states: Vec::with_capacity(16),
            tag_directives: Vec::new(),
        }
    }

    /// The next event; after the stream's end it is the end again.
    #[inline]
    pub fn next_event(&mut self) -> Next<'a> {
        match self.state {
            State::ImplicitDocumentStart => self.document_start(true),
            State::DocumentStart => self.document_start(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(true, false),
            State::BlockSequenceFirst => self.first(Self::block_sequence),
            State::BlockSequence => self.block_sequence(),
            State::IndentlessSequence => self.indentless_sequence(),
            State::BlockMappingFirst => self.first(Self::block_mapping_key),
            State::BlockMappingKey => self.block_mapping_key(),
            State::BlockMappingValue => self.block_mapping_value(),
            State::FlowSequenceFirst => self.first(|events| events.flow_sequence(true)),
            State::FlowSequence => self.flow_sequence(false),
            State::FlowPairKey => self.flow_pair_key(),
            State::FlowPairValue => self.flow_pair_value(),
            State::FlowPairEnd => self.flow_pair_end(),
            State::FlowMappingFirst => self.first(|events| events.flow_mapping_key(true)),
            State::FlowMappingKey => self.flow_mapping_key(false),
            State::FlowMappingValue => self.flow_mapping_value(),
            State::FlowMappingNoValue => self.empty_scalar(State::FlowMappingKey),
            State::End => Ok(Event::bare(EventKind::StreamEnd, self.scanner.next_mark())),
        }
    }

    /// Passes the token that opened a collection.
    fn first(&mut self, then: impl Fn(&mut Self) -> Next<'a>) -> Next<'a> {
        self.scanner.peek()?;
        self.scanner.take();
        then(self)
    }

    fn skip(&mut self) -> Result<Kind, Error> {
        self.scanner.take();
        self.scanner.peek()
    }

    fn error(&self, words: &'static str) -> Error {
        self.scanner.grammar_error_at(self.scanner.next_mark(), words)
    }

    fn pop_state(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    /// A node that is not written: null.
    fn empty_scalar(&mut self, then: State) -> Next<'a> {
        self.scanner.peek()?;
        self.state = then;
        Ok(Event::bare(EventKind::Plain, self.scanner.next_mark()))
    }

    fn node_then(&mut self, then: State, block: bool, indentless: bool) -> Next<'a> {
        self.states.push(then);
        self.node(block, indentless)
    }

    fn document_start(&mut self, implicit: bool) -> Next<'a> {
        let mut kind = self.scanner.peek()?;
        while !implicit && kind == Kind::DocumentEnd {
            kind = self.skip()?;
        }
        let mark = self.scanner.next_mark();
        if kind == Kind::StreamEnd {
            self.state = State::End;
            return Ok(Event::bare(EventKind::StreamEnd, mark));
        }
        let explicit = matches!(kind, Kind::VersionDirective | Kind::TagDirective | Kind::DocumentStart);
        self.directives()?;
        if implicit && !explicit {
            self.state = State::BlockNode;
        } else {
            if self.scanner.peek()? != Kind::DocumentStart {
                return Err(self.error("did not find expected <document start>"));
            }
            self.scanner.take();
            self.state = State::DocumentContent;
        }
        self.states.push(State::DocumentEnd);
        Ok(Event::bare(EventKind::DocumentStart, mark))
    }

    fn document_content(&mut self) -> Next<'a> {
        match self.scanner.peek()? {
            Kind::VersionDirective | Kind::TagDirective | Kind::DocumentStart | Kind::DocumentEnd | Kind::StreamEnd => {
                let then = self.states.pop().unwrap_or(State::End);
                self.empty_scalar(then)
            }
            _ => self.node(true, false),
        }
    }

    fn document_end(&mut self) -> Next<'a> {
        let kind = self.scanner.peek()?;
        let mark = self.scanner.next_mark();
        if kind == Kind::DocumentEnd {
            self.scanner.take();
        }
        self.tag_directives.clear();
        self.state = State::DocumentStart;
        Ok(Event::bare(EventKind::DocumentEnd, mark))
    }

    fn directives(&mut self) -> Result<(), Error> {
        let mut version = false;
        loop {
            match self.scanner.peek()? {
                Kind::VersionDirective => {
                    let token = self.scanner.take();
                    if version {
                        return Err(self.scanner.grammar_error_at(token.mark, "found duplicate %YAML directive"));
                    }
                    if token.value != "1.1" {
                        return Err(self.scanner.grammar_error_at(token.mark, "found incompatible YAML document"));
                    }
                    version = true;
                }
                Kind::TagDirective => {
                    let token = self.scanner.take();
                    let (handle, prefix) = token.tag.map(|tag| *tag).unwrap_or_default();
                    if self.tag_directives.iter().any(|(known, _)| *known == handle) {
                        return Err(self.scanner.grammar_error_at(token.mark, "found duplicate %TAG directive"));
                    }
                    self.tag_directives.push((handle, prefix));
                }
                _ => return Ok(()),
            }
        }
    }

    /// A node: properties, then content.
    fn node(&mut self, block: bool, indentless: bool) -> Next<'a> {
        let mut kind = self.scanner.peek()?;
        if matches!(kind, Kind::Plain | Kind::Quoted) {
            self.pop_state();
            let token = self.scanner.take();
            return Ok(Self::scalar_event(kind, token.mark, token, None, None));
        }
        let start = self.scanner.next_mark();
        if kind == Kind::Alias {
            self.pop_state();
            let token = self.scanner.take();
            return Ok(Event { value: token.value, ..Event::bare(EventKind::Alias, token.mark) });
        }
        let (mut anchor, mut tag) = (None, None);
        while (kind == Kind::Anchor && anchor.is_none()) || (kind == Kind::Tag && tag.is_none()) {
            let token = self.scanner.take();
            match token.tag {
                Some(parts) => tag = Some(self.full_tag(*parts, token.mark)?),
                None => anchor = Some(token.value),
            }
            kind = self.scanner.peek()?;
        }
        let (event, state) = match kind {
            Kind::BlockEntry if indentless => (EventKind::SequenceStart, State::IndentlessSequence),
            Kind::Plain | Kind::Quoted => {
                self.pop_state();
                let token = self.scanner.take();
                return Ok(Self::scalar_event(kind, start, token, anchor, tag));
            }
            Kind::FlowSequenceStart => (EventKind::SequenceStart, State::FlowSequenceFirst),
            Kind::FlowMappingStart => (EventKind::MappingStart, State::FlowMappingFirst),
            Kind::BlockSequenceStart if block => (EventKind::SequenceStart, State::BlockSequenceFirst),
            Kind::BlockMappingStart if block => (EventKind::MappingStart, State::BlockMappingFirst),
            _ if anchor.is_some() || tag.is_some() => {
                self.pop_state();
                let kind = if tag.is_none() { EventKind::Plain } else { EventKind::Quoted };
                return Ok(Event { anchor, tag, ..Event::bare(kind, start) });
            }
            _ => return Err(self.error("did not find expected node content")),
        };
        self.state = state;
        Ok(Event { anchor, tag, ..Event::bare(event, start) })
    }

    fn scalar_event(
        kind: Kind,
        mark: Mark,
        token: Token<'a>,
        anchor: Option<Cow<'a, str>>,
        tag: Option<Box<str>>,
    ) -> Event<'a> {
        // As in libyaml a tagged scalar is not implicit, unless the tag is `!` alone.
        let plain =
            if kind == Kind::Plain { tag.as_deref().is_none_or(|tag| tag == "!") } else { tag.as_deref() == Some("!") };
        let kind = if plain { EventKind::Plain } else { EventKind::Quoted };
        Event { kind, mark, value: token.value, anchor, tag }
    }

    fn full_tag(&self, (handle, suffix): (String, String), mark: Mark) -> Result<Box<str>, Error> {
        if handle.is_empty() {
            return Ok(suffix.into_boxed_str());
        }
        let prefix = match self.tag_directives.iter().find(|(known, _)| *known == handle) {
            Some((_, prefix)) => prefix.as_str(),
            None if handle == "!" => "!",
            None if handle == "!!" => "tag:yaml.org,2002:",
            None => return Err(self.scanner.fault_at(mark, Fault::Syntax("found undefined tag handle"))),
        };
        Ok(format!("{prefix}{suffix}").into_boxed_str())
    }

    fn block_sequence(&mut self) -> Next<'a> {
        match self.scanner.peek()? {
            Kind::BlockEntry => match self.skip()? {
                Kind::BlockEntry | Kind::BlockEnd => self.empty_scalar(State::BlockSequence),
                _ => self.node_then(State::BlockSequence, true, false),
            },
            Kind::BlockEnd => self.end(EventKind::SequenceEnd),
            _ => Err(self.error("did not find expected '-' indicator")),
        }
    }

    fn indentless_sequence(&mut self) -> Next<'a> {
        if self.scanner.peek()? == Kind::BlockEntry {
            return match self.skip()? {
                Kind::BlockEntry | Kind::Key | Kind::Value | Kind::BlockEnd => {
                    self.empty_scalar(State::IndentlessSequence)
                }
                _ => self.node_then(State::IndentlessSequence, true, false),
            };
        }
        self.pop_state();
        Ok(Event::bare(EventKind::SequenceEnd, self.scanner.next_mark()))
    }

    /// Passes the token that closes a collection.
    fn end(&mut self, kind: EventKind) -> Next<'a> {
        self.pop_state();
        Ok(Event::bare(kind, self.scanner.take().mark))
    }

    fn block_mapping_key(&mut self) -> Next<'a> {
        match self.scanner.peek()? {
            Kind::Key => match self.skip()? {
                Kind::Key | Kind::Value | Kind::BlockEnd => self.empty_scalar(State::BlockMappingValue),
                _ => self.node_then(State::BlockMappingValue, true, true),
            },
            Kind::BlockEnd => self.end(EventKind::MappingEnd),
            _ => Err(self.error("did not find expected key")),
        }
    }

    fn block_mapping_value(&mut self) -> Next<'a> {
        if self.scanner.peek()? != Kind::Value {
            return self.empty_scalar(State::BlockMappingKey);
        }
        match self.skip()? {
            Kind::Key | Kind::Value | Kind::BlockEnd => self.empty_scalar(State::BlockMappingKey),
            _ => self.node_then(State::BlockMappingKey, true, true),
        }
    }

    fn flow_sequence(&mut self, first: bool) -> Next<'a> {
        let mut kind = self.scanner.peek()?;
        if kind != Kind::FlowSequenceEnd && !first {
            if kind != Kind::FlowEntry {
                return Err(self.error("did not find expected ',' or ']'"));
            }
            kind = self.skip()?;
        }
        match kind {
            Kind::FlowSequenceEnd => self.end(EventKind::SequenceEnd),
            Kind::Key => {
                self.state = State::FlowPairKey;
                Ok(Event::bare(EventKind::MappingStart, self.scanner.take().mark))
            }
            _ => self.node_then(State::FlowSequence, false, false),
        }
    }

    fn flow_pair_key(&mut self) -> Next<'a> {
        match self.scanner.peek()? {
            Kind::Value | Kind::FlowEntry | Kind::FlowSequenceEnd => {
                // libyaml passes what shows that the key is empty, and misses it then.
                self.scanner.take();
                self.empty_scalar(State::FlowPairValue)
            }
            _ => self.node_then(State::FlowPairValue, false, false),
        }
    }

    fn flow_pair_value(&mut self) -> Next<'a> {
        if self.scanner.peek()? == Kind::Value && !matches!(self.skip()?, Kind::FlowEntry | Kind::FlowSequenceEnd) {
            return self.node_then(State::FlowPairEnd, false, false);
        }
        self.empty_scalar(State::FlowPairEnd)
    }

    fn flow_pair_end(&mut self) -> Next<'a> {
        self.scanner.peek()?;
        self.state = State::FlowSequence;
        Ok(Event::bare(EventKind::MappingEnd, self.scanner.next_mark()))
    }

    fn flow_mapping_key(&mut self, first: bool) -> Next<'a> {
        let mut kind = self.scanner.peek()?;
        if kind != Kind::FlowMappingEnd && !first {
            if kind != Kind::FlowEntry {
                return Err(self.error("did not find expected ',' or '}'"));
            }
            kind = self.skip()?;
        }
        match kind {
            Kind::FlowMappingEnd => self.end(EventKind::MappingEnd),
            Kind::Key => match self.skip()? {
                Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd => self.empty_scalar(State::FlowMappingValue),
                _ => self.node_then(State::FlowMappingValue, false, false),
            },
            _ => self.node_then(State::FlowMappingNoValue, false, false),
        }
    }

    fn flow_mapping_value(&mut self) -> Next<'a> {
        if self.scanner.peek()? == Kind::Value && !matches!(self.skip()?, Kind::FlowEntry | Kind::FlowMappingEnd) {
            return self.node_then(State::FlowMappingKey, false, false);
        }
        self.empty_scalar(State::FlowMappingKey)
    }
}
