//! What a function's body reaches of the execution that called it.
use crate::exec::execution::{Execution, Layer, Parsed, no_template};
use crate::exec::limits::MissingKey;
use crate::function::{ParsedId, Place, Runtime};
use crate::parse::parser::parse_shared;
use crate::parse::tree::Tree;
use crate::string::Str;
use crate::value::Value;
use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

/// A call that is under way.
pub(crate) struct Running<'x, 'a> {
    pub(crate) execution: &'x mut Execution<'a>,
    pub(crate) tree: &'x Tree,
    pub(crate) pos: u32,
}

impl Running<'_, '_> {
    /// Runs a template and takes its output from the end of what is written.
    fn captured(&mut self, tree: &Tree, dot: Value) -> Result<Str, String> {
        let execution = &mut *self.execution;
        let limits = execution.options.limits;
        if execution.depth >= limits.depth {
            return Err(format!("exceeded maximum template depth ({})", limits.depth));
        }
        if execution.call_depth >= limits.call_depth {
            execution.exhausted = true;
            return Err(format!(
                "exceeded the limit of {} templates executed by functions within each other",
                limits.call_depth
            ));
        }
        execution.depth += 1;
        execution.call_depth += 1;
        let start = execution.out.len();
        let mark = execution.trace.as_mut().map(|trace| trace.enter(start));
        let vars = execution.vars.len();
        let done = execution.run(tree, dot).map_err(|failure| failure.text);
        let text = Str::new(&execution.out[start..]);
        if let (Some(trace), Some(mark)) = (&mut execution.trace, mark) {
            trace.leave(mark, start, &text);
        }
        execution.vars.truncate(vars);
        execution.out.truncate(start);
        execution.depth -= 1;
        execution.call_depth -= 1;
        done?;
        execution.made(text.len())?;
        Ok(text)
    }
}

impl Runtime for Running<'_, '_> {
    fn host(&mut self) -> &mut dyn Any {
        self.execution.host
    }

    fn execute(&mut self, name: &[u8], dot: Value) -> Result<Str, String> {
        match self.execution.find(name) {
            Some(found) => self.captured(found.tree(), dot),
            None => Err(no_template(name, self.execution.options.set_name).text),
        }
    }

    fn parse(&mut self, name: &str, source: &Str) -> Result<ParsedId, String> {
        let key = (Str::from(name), source.clone());
        if let Some(id) = self.execution.parsed_by_source.get(&key) {
            return Ok(ParsedId(*id));
        }
        self.execution.made(source.len())?;
        let trees = parse_shared(name, source.shared(), self.execution.set.functions()).map_err(|error| error.text)?;
        let main = trees.iter().find(|tree| tree.name == name).map(Arc::clone);
        let main = main.ok_or_else(|| no_template(name.as_bytes(), self.execution.options.set_name).text)?;
        let id = self.execution.parsed.len() as u32;
        self.execution.parsed.push(Parsed { main, trees: Rc::new(trees) });
        self.execution.parsed_by_source.insert(key, id);
        Ok(ParsedId(id))
    }

    fn execute_parsed(&mut self, id: ParsedId, dot: Value) -> Result<Str, String> {
        let parsed = &self.execution.parsed[id.0 as usize];
        let main = Arc::clone(&parsed.main);
        let trees = Rc::clone(&parsed.trees);
        let outer = self.execution.layer.take();
        let trees = self.visible(trees, outer.as_ref());
        let parent = outer.clone();
        self.execution.layer = Some(Rc::new(Layer { parent, trees }));
        let result = self.captured(&main, dot);
        self.execution.layer = outer;
        result
    }

    fn place(&mut self) -> Place {
        let (line, column) = self.tree.location(self.pos);
        let template = self.tree.file.name.clone();
        let count = self.execution.places.entry((template.clone(), self.pos)).or_insert(0);
        *count += 1;
        Place { template, line, column, count: *count - 1 }
    }

    fn spend(&mut self, steps: u64, bytes: u64) -> Result<(), String> {
        let execution = &mut *self.execution;
        execution.made(usize::try_from(bytes).unwrap_or(usize::MAX))?;
        execution.steps = execution.steps.saturating_add(steps);
        if execution.steps >= execution.next_probe {
            execution.check_steps().inspect_err(|_| execution.exhausted = true)?;
        }
        Ok(())
    }

    fn strict(&self) -> bool {
        self.execution.options.missing_key == MissingKey::Error
    }
}

impl Running<'_, '_> {
    /// Empty templates do not hide those of the same name below them.
    fn visible(&self, trees: Rc<Vec<Arc<Tree>>>, outer: Option<&Rc<Layer>>) -> Rc<Vec<Arc<Tree>>> {
        let below = |tree: &Tree| {
            let mut layer = outer;
            while let Some(here) = layer {
                if here.trees.iter().any(|other| other.name == tree.name) {
                    return true;
                }
                layer = here.parent.as_ref();
            }
            self.execution.set.find(tree.name.as_bytes()).is_some()
        };
        if !trees.iter().any(|tree| tree.is_empty() && below(tree)) {
            return trees;
        }
        Rc::new(trees.iter().filter(|tree| !(tree.is_empty() && below(tree))).cloned().collect())
    }
}
