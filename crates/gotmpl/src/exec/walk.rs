//! Executes the nodes of a template: text, actions, control structures, templates.
use crate::exec::execution::{Execution, Frame, Result, Typed, Variable};
use crate::fmt::print;
use crate::kind::Elem;
use crate::object::Object;
use crate::parse::tree::{At, Branch, ListId, NodeId, NodeKind, Pipe, TemplateCall, Tree};
use crate::quote;
use crate::value::Value;

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Next,
    Break,
    Continue,
}

impl Execution<'_> {
    /// Executes a whole template with a stack of variables of its own.
    pub(crate) fn run(&mut self, tree: &Tree, dot: Value) -> Result<()> {
        let file = self.trace.as_mut().map_or(0, |trace| trace.file(&tree.file));
        let mut frame = Frame { tree, at: At::List(tree.root), base: self.vars.len(), file };
        let dot = Typed::plain(dot);
        self.vars.push(Variable { id: 0, value: dot.clone() });
        self.deeper(|execution| execution.list(&mut frame, &dot, tree.root))?;
        self.vars.truncate(frame.base);
        Ok(())
    }

    fn list(&mut self, frame: &mut Frame<'_>, dot: &Typed, id: ListId) -> Result<Flow> {
        let tree = frame.tree;
        let nodes = tree.file.lists[id.0 as usize].nodes;
        for id in nodes.start..nodes.end {
            self.step(frame)?;
            let node = NodeId(id);
            let flow = match &tree.file.nodes[id as usize].kind {
                NodeKind::Text(span) => {
                    frame.at = At::Node(node);
                    self.out.extend_from_slice(tree.source(*span));
                    self.check_output(frame)?;
                    if let Some(trace) = &mut self.trace {
                        trace.text(frame.file, span.start, self.out.len());
                    }
                    Flow::Next
                }
                NodeKind::Action(pipe) => {
                    self.action(frame, dot, node, *pipe)?;
                    Flow::Next
                }
                NodeKind::If(branch) => self.branch(frame, dot, *branch, false)?,
                NodeKind::With(branch) => self.branch(frame, dot, *branch, true)?,
                NodeKind::Range(branch) => {
                    frame.at = At::Node(node);
                    self.range(frame, dot, *branch)?;
                    Flow::Next
                }
                NodeKind::Template(call) => {
                    frame.at = At::Node(node);
                    self.template(frame, dot, *call)?;
                    Flow::Next
                }
                NodeKind::Break => Flow::Break,
                NodeKind::Continue => Flow::Continue,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn action(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Typed,
        node: NodeId,
        pipe: crate::parse::tree::PipeId,
    ) -> Result<()> {
        let tree = frame.tree;
        let begun = self.trace.as_mut().map(|trace| trace.begin());
        let value = self.pipeline(frame, dot, pipe)?;
        if tree.file.pipes[pipe.0 as usize].decl_count == 0 {
            frame.at = At::Node(node);
            self.print(frame, &value)?;
        }
        if let (Some(trace), Some(begun)) = (&mut self.trace, begun) {
            trace.action(begun, frame.file, tree.file.nodes[node.0 as usize].pos, self.out.len());
        }
        Ok(())
    }

    fn print(&mut self, frame: &Frame<'_>, value: &Value) -> Result<()> {
        match value {
            Value::Str(text) => self.out.extend_from_slice(text.as_bytes()),
            Value::Nil => self.out.extend_from_slice(b"<no value>"),
            value => {
                let in_place = match value {
                    Value::Object(object) => object.printed_in_place(),
                    _ => None,
                };
                if let Some(text) = in_place {
                    self.out.extend_from_slice(text.as_bytes());
                } else if let Err(text) = print::append_pointed(&mut self.out, value) {
                    return self.fail(frame, &text);
                }
            }
        }
        self.check_output(frame)
    }

    /// `if` and `with` differ in dot only.
    fn branch(&mut self, frame: &mut Frame<'_>, dot: &Typed, branch: Branch, is_with: bool) -> Result<Flow> {
        let mark = self.vars.len();
        let value = self.pipeline(frame, dot, branch.pipe)?;
        let flow = if value.truth() {
            let inner;
            let dot = if is_with {
                inner = Typed::plain(value);
                &inner
            } else {
                drop(value);
                dot
            };
            self.nested(frame, dot, branch.list)?
        } else if let Some(list) = branch.otherwise {
            self.nested(frame, dot, list)?
        } else {
            Flow::Next
        };
        self.vars.truncate(mark);
        Ok(flow)
    }

    fn nested(&mut self, frame: &mut Frame<'_>, dot: &Typed, list: ListId) -> Result<Flow> {
        self.deeper(|execution| execution.list(frame, dot, list))
    }

    fn range(&mut self, frame: &mut Frame<'_>, dot: &Typed, branch: Branch) -> Result<()> {
        let mark = self.vars.len();
        let value = self.pipeline(frame, dot, branch.pipe)?;
        let (value, named) = match value {
            Value::Object(object) => match object.underlying() {
                Some(inner) => (inner, Some(object)),
                None => (Value::Object(object), None),
            },
            value => (value, None),
        };
        let ran = self.iterate(frame, &branch, &value, named.as_deref())?;
        if !ran && let Some(list) = branch.otherwise {
            self.nested(frame, dot, list)?;
        }
        self.vars.truncate(mark);
        Ok(())
    }

    /// Runs the body for each element; false if there is none. Numbers up to one of a named type are of that type.
    fn iterate(
        &mut self,
        frame: &mut Frame<'_>,
        branch: &Branch,
        value: &Value,
        named: Option<&dyn Object>,
    ) -> Result<bool> {
        let pipe = &frame.tree.file.pipes[branch.pipe.0 as usize];
        let interface = |elem| matches!(elem, Elem::Any);
        match value {
            Value::Nil => Ok(false),
            Value::Int(kind, count) => {
                self.refuse_two(frame, pipe, value)?;
                for at in 0..*count {
                    let elem = named.and_then(|named| named.renumbered(at)).unwrap_or(Value::Int(*kind, at));
                    let elem = Typed::plain(elem);
                    if self.turn(frame, branch, Typed::default(), elem)? == Flow::Break {
                        break;
                    }
                }
                Ok(*count > 0)
            }
            Value::Uint(kind, count) => {
                self.refuse_two(frame, pipe, value)?;
                for at in 0..*count {
                    let elem = Typed::plain(Value::Uint(*kind, at));
                    if self.turn(frame, branch, Typed::default(), elem)? == Flow::Break {
                        break;
                    }
                }
                Ok(*count > 0)
            }
            Value::List(list) => {
                let interface = interface(list.typ().elem);
                for (at, elem) in list.as_slice().iter().enumerate() {
                    let elem = Typed { value: elem.clone(), interface };
                    if self.turn(frame, branch, Typed::plain(Value::int(at as i64)), elem)? == Flow::Break {
                        break;
                    }
                }
                Ok(!list.is_empty())
            }
            Value::Bytes(bytes) => {
                for (at, byte) in bytes.as_bytes().iter().enumerate() {
                    let elem = Typed::plain(Value::Uint(crate::kind::UintKind::Uint8, u64::from(*byte)));
                    if self.turn(frame, branch, Typed::plain(Value::int(at as i64)), elem)? == Flow::Break {
                        break;
                    }
                }
                Ok(!bytes.is_empty())
            }
            Value::Map(map) => {
                let interface = interface(map.typ().elem);
                let entries = map.entries();
                for (key, elem) in entries.iter() {
                    let elem = Typed { value: elem.clone(), interface };
                    if self.turn(frame, branch, Typed::plain(Value::Str(key.clone())), elem)? == Flow::Break {
                        break;
                    }
                }
                Ok(!entries.is_empty())
            }
            value => {
                let mut shown = b"range can't iterate over ".to_vec();
                match print::append_pointed(&mut shown, value) {
                    Ok(()) => self.fail(frame, &crate::string::lossy(&shown)),
                    Err(text) => self.fail(frame, &text),
                }
            }
        }
    }

    fn refuse_two(&self, frame: &Frame<'_>, pipe: &Pipe, value: &Value) -> Result<()> {
        if pipe.decl_count < 2 {
            return Ok(());
        }
        let shown = print::display(value).unwrap_or_default();
        self.fail(frame, &format!("can't use {shown} to iterate over more than one variable"))
    }

    /// One turn of a loop: sets the variables and runs the body.
    fn turn(&mut self, frame: &mut Frame<'_>, branch: &Branch, index: Typed, elem: Typed) -> Result<Flow> {
        self.step(frame)?;
        let tree = frame.tree;
        let pipe = &tree.file.pipes[branch.pipe.0 as usize];
        let mark = self.vars.len();
        match (pipe.decl(), pipe.assign) {
            ([], _) => {}
            ([one], true) => self.assign(frame, *one, elem.clone())?,
            ([first, second, ..], true) => {
                self.assign(frame, *first, index)?;
                self.assign(frame, *second, elem.clone())?;
            }
            ([_], false) => self.set_top(1, elem.clone()),
            ([_, _, ..], false) => {
                self.set_top(1, elem.clone());
                self.set_top(2, index);
            }
        }
        let flow = self.nested(frame, &elem, branch.list)?;
        self.vars.truncate(mark);
        Ok(flow)
    }

    fn set_top(&mut self, from_top: usize, value: Typed) {
        let at = self.vars.len() - from_top;
        self.vars[at].value = value;
    }

    fn template(&mut self, frame: &mut Frame<'_>, dot: &Typed, call: TemplateCall) -> Result<()> {
        let name = frame.tree.file.strings[call.name as usize].as_bytes();
        let Some(found) = self.find(name) else {
            return self.fail(frame, &format!("template {} not defined", quote::quote(name)));
        };
        let depth_max = self.options.limits.depth;
        if self.depth >= depth_max {
            return self.fail(frame, &format!("exceeded maximum template depth ({depth_max})"));
        }
        let dot = match call.pipe {
            Some(pipe) => self.pipeline(frame, dot, pipe)?,
            None => Value::Nil,
        };
        self.depth += 1;
        self.run(found.tree(), dot)?;
        self.depth -= 1;
        Ok(())
    }
}
