//! Threads beside the caller's that work ahead of it: templates are parsed and schemas compiled while files still come in,
//! and what is rendered is read while the next file is.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use masthead_gotmpl::parse::parser::{Unnamed, parse_unnamed};
use masthead_gotmpl::string::Str;
use masthead_sprig::table;

use crate::manifests::{self, Parts};
use crate::schema::Schema;

/// What is shorter is read faster than handed over.
const SHORT_BYTES: usize = 256;
/// A thread is woken for so many bytes: waking costs as much as parsing a few thousand.
const WAKE_BYTES: usize = 16 << 10;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that wait for work. What they do changes no result: who needs something that is not done does it himself.
pub struct Pool {
    queue: Mutex<Queue>,
    waiting: Condvar,
    helps: bool,
}

#[derive(Default)]
struct Queue {
    /// What every render needs.
    soon: VecDeque<Job>,
    /// What renders with dependencies need.
    later: VecDeque<Job>,
    /// What is needed when all is rendered.
    last: VecDeque<Job>,
    /// Threads that wait.
    idle: usize,
    /// Bytes that were added since one of them was woken.
    unsaid: usize,
    closed: bool,
}

/// Which jobs come first.
#[derive(Clone, Copy)]
enum When {
    Soon,
    Later,
    Last,
}

impl Queue {
    fn of(&mut self, when: When) -> &mut VecDeque<Job> {
        match when {
            When::Soon => &mut self.soon,
            When::Later => &mut self.later,
            When::Last => &mut self.last,
        }
    }

    fn next(&mut self) -> Option<Job> {
        [When::Soon, When::Later, When::Last].into_iter().find_map(|when| self.of(when).pop_front())
    }
}

/// Closes a pool, also where its user panics: its threads would wait for ever.
struct Closing<'p>(&'p Pool);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        let undone = [When::Soon, When::Later, When::Last].map(|when| std::mem::take(queue.of(when)));
        queue.closed = true;
        drop(queue);
        self.0.waiting.notify_all();
        drop(undone);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// No thread but the caller's.
    pub fn none() -> Pool {
        Pool { queue: Mutex::default(), waiting: Condvar::new(), helps: false }
    }

    /// Runs something with so many threads, the caller's own among them; each of the others begins with `begin`. What is
    /// not begun at its end is not done.
    pub fn with<T>(threads: usize, begin: fn(), run: impl FnOnce(&Pool) -> T) -> T {
        if threads < 2 {
            return run(&Pool::none());
        }
        let pool = Pool { helps: true, ..Pool::none() };
        std::thread::scope(|scope| {
            let _closing = Closing(&pool);
            for _ in 1..threads {
                // Where no thread can be had, the caller does it all.
                let help = || {
                    begin();
                    pool.help();
                };
                let _ = std::thread::Builder::new().spawn_scoped(scope, help);
            }
            run(&pool)
        })
    }

    fn help(&self) {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(job) = queue.next() {
                drop(queue);
                job();
                queue = lock(&self.queue);
            } else if queue.closed {
                return;
            } else {
                (queue.idle, queue.unsaid) = (queue.idle + 1, 0);
                queue = self.waiting.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
            }
        }
    }

    fn add(&self, when: When, bytes: usize, job: Job) {
        let mut queue = lock(&self.queue);
        queue.of(when).push_back(job);
        queue.unsaid += bytes;
        self.wake(queue, WAKE_BYTES);
    }

    /// No more is added for now: what there is may be begun.
    pub(crate) fn flush(&self) {
        self.wake(lock(&self.queue), 1);
    }

    fn wake(&self, mut queue: MutexGuard<'_, Queue>, bytes: usize) {
        if queue.idle > 0 && queue.unsaid >= bytes {
            queue.unsaid = 0;
            drop(queue);
            self.waiting.notify_one();
        }
    }

    /// Has what a chart's file is for done ahead, if its name says that there is something to do.
    pub(crate) fn look_at(&self, name: &str, data: &Str) -> Option<Early> {
        if !self.helps {
            return None;
        }
        let (mut rest, mut is_own) = (name, true);
        while let Some((_, inner)) = rest.strip_prefix("charts/").and_then(|inner| inner.split_once('/')) {
            (rest, is_own) = (inner, false);
        }
        let (bytes, data) = (data.len(), data.clone());
        let own = if is_own { When::Soon } else { When::Later };
        let (early, when, job): (Early, When, Job) = if rest.starts_with("templates/") {
            let template = Arc::new(Ahead::default());
            (Early::Template(Arc::clone(&template)), own, Box::new(move || template.make(|| parse(&data))))
        } else if rest == "values.schema.json" {
            let cell = LazySchema::default();
            let early = Early::Schema(Arc::clone(&cell));
            let compile = move || {
                cell.get_or_init(|| Schema::parse(data.as_bytes()));
            };
            (early, When::Last, Box::new(compile))
        } else {
            return None;
        };
        self.add(when, bytes, job);
        Some(early)
    }

    /// Whether there is another thread.
    pub(crate) fn helps(&self) -> bool {
        self.helps
    }

    /// Has something done that is needed when all is rendered.
    pub(crate) fn last(&self, job: impl FnOnce() + Send + 'static) {
        self.add(When::Last, WAKE_BYTES, Box::new(job));
    }

    /// Has a rendered file read ahead, if that is worth it.
    pub(crate) fn look_into(&self, text: &Arc<Vec<u8>>) -> Option<Arc<Ahead<Parts>>> {
        if !self.helps || text.len() < SHORT_BYTES {
            return None;
        }
        let parts = Arc::new(Ahead::default());
        let (theirs, text) = (Arc::clone(&parts), Arc::clone(text));
        self.add(When::Soon, text.len(), Box::new(move || theirs.make(|| manifests::parts(&text))));
        Some(parts)
    }
}

/// A schema that is compiled when it is first asked for.
pub(crate) type LazySchema = Arc<OnceLock<Result<Schema, String>>>;

/// What may be done ahead for a file.
#[derive(Clone)]
pub(crate) enum Early {
    Template(Arc<Ahead<Option<Unnamed>>>),
    Schema(LazySchema),
}

impl fmt::Debug for Early {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Early")
    }
}

/// A template without its name; none where it has faults.
pub(crate) fn parse(source: &Str) -> Option<Unnamed> {
    parse_unnamed(source.shared(), table::functions())
}

/// What may be made ahead, and is taken once.
pub(crate) struct Ahead<T>(OnceLock<Mutex<Option<T>>>);

impl<T> Default for Ahead<T> {
    fn default() -> Ahead<T> {
        Ahead(OnceLock::new())
    }
}

impl<T> Ahead<T> {
    /// Makes it, unless that is done. Where another thread is at it, that is waited for.
    pub(crate) fn make(&self, make: impl FnOnce() -> T) {
        self.0.get_or_init(|| Mutex::new(Some(make())));
    }

    /// What was made; none for all but the first who ask.
    pub(crate) fn take(&self, make: impl FnOnce() -> T) -> Option<T> {
        lock(self.0.get_or_init(|| Mutex::new(Some(make())))).take()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use masthead_sprig::time::moment::Moment;

    use super::Pool;
    use crate::chart::File;
    use crate::load;
    use crate::render::{Asks, Options, watched};
    use crate::tree::Table;

    /// What a chart of these files renders to, or why it does not.
    fn rendered(threads: usize, list: &[(String, String)]) -> Result<String, String> {
        Pool::with(
            threads,
            || {},
            |pool| {
                let files = list.iter().map(|(name, text)| File::new(name, text)).collect();
                let chart = Arc::new(load::files_with(files, pool, &mut Vec::new())?);
                let options = Options::new("r", "default", [1; 32], Moment::from_unix(0, 0));
                let values = Table::new();
                let done = |_| watched(&chart, &values, &options, Asks::default(), pool, &mut Vec::new(), &mut |_| {});
                // The second render finds what the first one took.
                let both = [0, 1].map(done).map(|done| done.map_err(|error| error.text));
                let texts = both.map(|done| done.map(|all| all.manifests.into_iter().map(|one| one.text).collect()));
                let [first, second]: [Result<String, String>; 2] = texts;
                assert_eq!(first, second);
                first
            },
        )
    }

    fn files(template: impl Fn(usize) -> String) -> Vec<(String, String)> {
        let chart = |name: &str| format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n");
        let mut list = vec![
            ("Chart.yaml".to_owned(), chart("top")),
            ("values.schema.json".to_owned(), r#"{"required": ["sub"]}"#.to_owned()),
            ("charts/sub/Chart.yaml".to_owned(), chart("sub")),
            ("charts/sub/values.yaml".to_owned(), "a: 1\n".to_owned()),
            ("charts/sub/templates/s.yaml".to_owned(), "s: {{ .Values.a }}{{ include \"x3\" . }}\n".to_owned()),
        ];
        list.extend((0..40).map(|at| (format!("templates/t{at:02}.yaml"), template(at))));
        list
    }

    #[test]
    fn threads_change_no_result() {
        let good =
            |at: usize| format!("{{{{ define \"x{at}\" }}}}{at}{{{{ end }}}}t{at}: {{{{ include \"x7\" . }}}}\n");
        let list = files(good);
        let alone = rendered(1, &list);
        assert!(alone.as_ref().is_ok_and(|text| text.contains("t39: 7") && text.contains("s: 13")), "{alone:?}");
        for threads in [2, 5] {
            assert_eq!(rendered(threads, &list), alone);
        }
    }

    #[test]
    fn the_first_fault_is_told_whoever_finds_it() {
        let bad = |at: usize| if at % 10 == 4 { format!("a\n{{{{ nothing{at} }}}}") } else { good_name(at) };
        let list = files(bad);
        let alone = rendered(1, &list);
        assert_eq!(
            alone.as_ref().err().map(String::as_str),
            Some("parse error at (top/templates/t34.yaml:2): function \"nothing34\" not defined")
        );
        for _ in 0..20 {
            assert_eq!(rendered(2, &list), alone);
        }
    }

    /// Schemas are done with after templates, and what they say counts for more than any fault of these.
    #[test]
    fn schemas_come_first_whenever_they_are_asked() {
        let chart = |template: &str, refuses: bool, is_old: bool| {
            let mut list = files(|_| template.to_owned());
            list[4].1.clear();
            if refuses {
                list[1].1 = r#"{"required": ["x"]}"#.to_owned();
            }
            if is_old {
                list[0].1.push_str("kubeVersion: '>=1.99'\n");
            }
            list
        };
        let sets = "a: {{ set .Values \"x\" 1 | len }}\n";
        for template in ["{{ nothing }}", "{{ fail \"x\" }}", "a: [\n", sets] {
            for (refuses, is_old) in [(true, true), (true, false), (false, true), (false, false)] {
                let list = chart(template, refuses, is_old);
                let alone = rendered(1, &list);
                let begin = match (refuses, is_old) {
                    (true, _) => "values don't meet the specifications",
                    (_, true) => "chart requires kubeVersion",
                    _ => "",
                };
                let text = alone.as_ref().map_or_else(String::as_str, |_| "");
                assert!(
                    text.starts_with(begin) && text.contains("missing property 'x'") == refuses,
                    "{template}: {text}"
                );
                assert_eq!(alone.is_ok(), template == sets && !refuses && !is_old, "{template}: {text}");
                for _ in 0..10 {
                    assert_eq!(rendered(2, &list), alone, "{template}");
                }
            }
        }
    }

    /// Templates that define one of the file's own name, which a parser without names can't see.
    fn good_name(at: usize) -> String {
        format!("{{{{ define \"top/templates/t{at:02}.yaml\" }}}} {{{{ end }}}}t{at}: 1\n")
    }

    #[test]
    fn a_definition_of_the_files_own_name_is_seen() {
        let twice = |at: usize| good_name(at).replace("}} {{", "}}x{{");
        let alone = rendered(1, &files(twice));
        assert!(alone.as_ref().is_err_and(|text| text.contains("multiple definition")), "{alone:?}");
        assert_eq!(rendered(2, &files(twice)), alone);
        let unnamed = |at: usize| format!("{{{{ define \"\" }}}}x{{{{ end }}}}t{at}: 1\n");
        let alone = rendered(1, &files(unnamed));
        assert_eq!(rendered(2, &files(unnamed)), alone);
    }
}
