//! YAML text to a tree in which every value knows its line and column.
//!
//! Works on parser events rather than through serde, because only the events tell a quoted scalar from a plain one,
//! and name the place of every key. Bounds everything that a hostile text could blow up: size, depth, and what aliases
//! expand to. Reports what is wrong with the YAML; meaning is checked by [`super::structure`].

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, Span};

use super::diagnostic::{Fault, Place};
use super::scalar;

/// Longest document in bytes.
pub(super) const MAX_BYTES: usize = 1024 * 1024;
/// Deepest nesting, aliases expanded.
pub(super) const MAX_DEPTH: usize = 64;
/// Most mappings and sequences written, and values of any kind repeated by aliases. Plain values written out are
/// bounded by the size alone, so that a file of 4,096 services fits.
pub(super) const MAX_NODES: usize = 10_000;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) kind: Kind,
}

/// What a value is, as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A scalar.
    Scalar {
        /// Its text.
        text: String,
        /// Written without quotes, so that its look decides its type.
        plain: bool,
        /// The place behind it.
        end: Place,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in order, keys unique.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) key_plain: bool,
    pub(super) value: Node,
}

impl Node {
    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            Kind::List(_) | Kind::Scalar { .. } => None,
        }
    }

    /// Where the values of environment variables stand.
    pub(super) fn secrets(&self) -> Vec<(Place, Place)> {
        fn items(node: Option<&Node>) -> &[Node] {
            match node.map(|node| &node.kind) {
                Some(Kind::List(items)) => items,
                Some(Kind::Map(_) | Kind::Scalar { .. }) | None => &[],
            }
        }
        let spec = self.get("spec");
        ["services", "schedule"]
            .into_iter()
            .flat_map(|list| items(spec.and_then(|spec| spec.get(list))))
            .flat_map(|item| items(item.get("environment")))
            .filter_map(|variable| match variable.get("value") {
                Some(Self { place, kind: Kind::Scalar { end, .. } }) => Some((*place, *end)),
                Some(_) | None => None,
            })
            .collect()
    }

    /// Itself and everything below it: values, and bytes of text.
    fn size(&self) -> (usize, usize) {
        let add = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1 + b.1);
        match &self.kind {
            Kind::Scalar { text, .. } => (1, text.len()),
            Kind::List(items) => items.iter().map(Self::size).fold((1, 0), add),
            Kind::Map(entries) => {
                entries.iter().map(|entry| add(entry.value.size(), (0, entry.key.len()))).fold((1, 0), add)
            }
        }
    }

    fn depth(&self) -> usize {
        match &self.kind {
            Kind::Scalar { .. } => 0,
            Kind::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Kind::Map(entries) => 1 + entries.iter().map(|entry| entry.value.depth()).max().unwrap_or(0),
        }
    }
}

/// The text of a document, if it is text at all.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Box<Fault>> {
    if bytes.len() > MAX_BYTES {
        let message = format!("the document is {} bytes long", bytes.len());
        return Err(Box::new(Fault::error("yaml-size", None, message).expected("at most 1 MiB (1048576 bytes)")));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
            let fault = Fault::error("yaml-encoding", Some(end_of(&good)), "this is not UTF-8");
            let cure = if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
                "the file is UTF-16; save it as UTF-8 without a byte order mark"
            } else {
                "save the file as UTF-8"
            };
            return Err(Box::new(fault.cure(cure)));
        }
    };
    if text.starts_with('\u{feff}') {
        return Err(Box::new(
            Fault::error("yaml-encoding", Some(Place { line: 1, column: 1 }), "the file begins with a byte order mark")
                .cure("save it as UTF-8 without a byte order mark (BOM)"),
        ));
    }
    let odd = |c: char| (c.is_control() && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{2028}' | '\u{2029}');
    if let Some(at) = text.find(odd) {
        let code = text[at..].chars().next().map_or(0, u32::from);
        let name = if code == 0 { "a NUL byte".to_owned() } else { format!("the control character U+{code:04X}") };
        return Err(Box::new(
            Fault::error("yaml-encoding", Some(end_of(&text[..at])), format!("{name} stands here"))
                .expected("printable text; YAML 1.1 and 1.2 differ about control characters")
                .cure("remove it, or write it as an escape inside double quotes"),
        ));
    }
    Ok(text)
}

/// The place behind a text.
fn end_of(text: &str) -> Place {
    let line_start = text.rfind('\n').map_or(0, |at| at + 1);
    Place { line: count(text.matches('\n').count() + 1), column: count(text[line_start..].chars().count() + 1) }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn place(marker: Marker) -> Place {
    Place { line: count(marker.line()).max(1), column: count(marker.col() + 1) }
}

/// Reads the one document of a text. What is wrong with the YAML goes to `faults`; a tree is still returned where its
/// shape is known in spite of it.
pub(super) fn parse(text: &str, faults: &mut Vec<Fault>) -> Option<Node> {
    let mut options = granit_parser::options! {
        flow_nesting_limit: MAX_DEPTH * 2,
        block_nesting_limit: MAX_DEPTH * 2,
    };
    options.set_emit_comments(false);
    let mut builder = Builder::default();
    for next in Parser::new_from_str_with_options(text, options) {
        let step = match next {
            Ok((event, span)) => builder.take(event, &span, faults),
            Err(error) => Err(syntax(&error, text)),
        };
        if let Err(fault) = step {
            faults.push(*fault);
            return None;
        }
    }
    if builder.root.is_none() {
        faults.push(
            Fault::error("yaml-empty", None, "the document is empty")
                .expected("a MessagingServer")
                .cure("an empty file changes nothing; to stop everything, say `enabled: false` or `suspend: true`"),
        );
    }
    builder.root
}

fn syntax(error: &granit_parser::ScanError, text: &str) -> Box<Fault> {
    let at = place(*error.marker());
    let words = error.info();
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return too_deep(at);
    }
    let line = text.lines().nth((at.line as usize).saturating_sub(1)).unwrap_or_default();
    let indented_by_tab = line.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t');
    let fault = Fault::error("yaml-syntax", Some(at), format!("this is not YAML: {words}"));
    if words.contains("tab") || indented_by_tab {
        return Box::new(fault.cure("YAML permits no tabs for indentation: use spaces"));
    }
    Box::new(fault.cure("look at the indentation, quotes and brackets here and just above"))
}

fn too_deep(at: Place) -> Box<Fault> {
    Box::new(
        Fault::error("yaml-depth", Some(at), "the document is nested too deeply")
            .expected(format!("at most {MAX_DEPTH} levels, aliases expanded")),
    )
}

/// Nodes under construction.
#[derive(Default)]
struct Builder {
    root: Option<Node>,
    open: Vec<Open>,
    /// Finished anchored nodes; none while the node is still open.
    anchors: HashMap<usize, Option<Node>>,
    nodes: usize,
    repeated_bytes: usize,
}

struct Open {
    place: Place,
    anchor: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, lines: HashMap<String, u32>, key: Option<(String, Place, bool)> },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span, faults: &mut Vec<Fault>) -> Result<(), Box<Fault>> {
        let at = place(span.start);
        let tag_at = span.tag_start.map_or(at, place);
        match event {
            Event::DocumentStart(..) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag.is_some(), tag_at, faults);
                let node = Node {
                    place: at,
                    kind: Kind::Scalar {
                        text: text.into_owned(),
                        plain: style == ScalarStyle::Plain && tag.is_none(),
                        end: place(span.end),
                    },
                };
                self.remember(anchor, &node);
                self.put(node, faults)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                refuse_tag(tag.is_some(), tag_at, faults);
                self.begin(at, anchor, Inside::List(Vec::new()))?;
            }
            Event::MappingStart(_, anchor, tag) => {
                refuse_tag(tag.is_some(), tag_at, faults);
                self.begin(at, anchor, Inside::Map { entries: Vec::new(), lines: HashMap::new(), key: None })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(faults)?,
            Event::Alias(id) => self.alias(id, at, faults)?,
            // Stream marks, comments (switched off) and, as the enum may grow, whatever is no node.
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, at: Place, anchor: usize, inside: Inside) -> Result<(), Box<Fault>> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(at));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, None);
        }
        self.count(1, at)?;
        self.open.push(Open { place: at, anchor, inside });
        Ok(())
    }

    fn count(&mut self, nodes: usize, at: Place) -> Result<(), Box<Fault>> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(Box::new(
                Fault::error("yaml-nodes", Some(at), "the document has too many nodes")
                    .expected(format!("at most {MAX_NODES} mappings, sequences and values repeated by aliases")),
            ));
        }
        Ok(())
    }

    fn end(&mut self, faults: &mut Vec<Fault>) -> Result<(), Box<Fault>> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let kind = match open.inside {
            Inside::List(items) => Kind::List(items),
            Inside::Map { entries, .. } => Kind::Map(entries),
        };
        let node = Node { place: open.place, kind };
        self.remember(open.anchor, &node);
        self.put(node, faults)
    }

    fn remember(&mut self, anchor: usize, node: &Node) {
        if anchor != 0 {
            self.anchors.insert(anchor, Some(node.clone()));
        }
    }

    fn alias(&mut self, id: usize, at: Place, faults: &mut Vec<Fault>) -> Result<(), Box<Fault>> {
        let Some(Some(node)) = self.anchors.get(&id) else {
            return Err(Box::new(
                Fault::error("yaml-syntax", Some(at), "this alias repeats a value that contains it")
                    .cure("write the value out"),
            ));
        };
        let (nodes, bytes) = node.size();
        if self.open.len() + node.depth() > MAX_DEPTH {
            return Err(too_deep(at));
        }
        self.repeated_bytes = self.repeated_bytes.saturating_add(bytes);
        if self.repeated_bytes > MAX_BYTES {
            return Err(Box::new(
                Fault::error("yaml-size", Some(at), "the aliases repeat more than 1 MiB of text")
                    .expected("at most 1 MiB, aliases expanded"),
            ));
        }
        let copy = node.clone();
        self.count(nodes, at)?;
        self.put(copy, faults)
    }

    /// Puts a finished node where it belongs: into the open collection, or at the root.
    fn put(&mut self, node: Node, faults: &mut Vec<Fault>) -> Result<(), Box<Fault>> {
        let Some(open) = self.open.last_mut() else {
            return self.put_root(node);
        };
        match &mut open.inside {
            Inside::List(items) => items.push(node),
            Inside::Map { entries, lines, key } => match key.take() {
                None => match node.kind {
                    Kind::Scalar { text, plain, end: _ } => *key = Some((text, node.place, plain)),
                    Kind::List(_) | Kind::Map(_) => {
                        return Err(Box::new(
                            Fault::error("yaml-key", Some(node.place), "a list or mapping stands as a key")
                                .expected("the name of a field"),
                        ));
                    }
                },
                Some((text, key_place, key_plain)) => {
                    if let Some(first) = lines.get(&text) {
                        let message = format!("`{text}` is written twice here; the first is in line {first}");
                        faults.push(
                            Fault::error("yaml-duplicate-key", Some(key_place), message)
                                .expected("each key once; kubectl would have read the last one in silence")
                                .cure("remove one of them"),
                        );
                    } else {
                        lines.insert(text.clone(), key_place.line);
                        entries.push(Entry { key: text, key_place, key_plain, value: node });
                    }
                }
            },
        }
        Ok(())
    }

    fn put_root(&mut self, node: Node) -> Result<(), Box<Fault>> {
        let empty =
            matches!(&node.kind, Kind::Scalar { text, plain: true, .. } if scalar::read(text) == scalar::Plain::Null);
        if empty {
            return Ok(());
        }
        if self.root.is_some() {
            return Err(Box::new(
                Fault::error("yaml-documents", Some(node.place), "a second document begins here")
                    .expected("one document in a file")
                    .cure("put it into a file of its own"),
            ));
        }
        self.root = Some(node);
        Ok(())
    }
}

fn refuse_tag(tagged: bool, at: Place, faults: &mut Vec<Fault>) {
    if tagged {
        faults.push(
            Fault::error("yaml-tag", Some(at), "this value carries a YAML tag")
                .expected("no tags: the field says what type it has")
                .cure("remove the tag; put text in quotes"),
        );
    }
}
