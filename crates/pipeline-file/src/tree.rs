//! The file as a tree with places: what was written, before anything is known of what it means.
//!
//! Built from the YAML parser's events and not through serde, because a deserializer stops at the first fault and
//! keeps no place of a key. An alias shares the node it stands for, so a bomb costs nothing while it is read; how
//! large the tree would be if it were written out is counted all the same, and bounded.

use std::collections::HashMap;
use std::rc::Rc;

use serde_yaml::granit_parser::{ErrorKind, Event, Marker, Options, Parser, ScalarStyle, ScanError, Tag};

use crate::place::{KeyPath, Place, Step};

/// One value of the file.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) content: Content,
    /// How many nodes it would be without aliases.
    size: usize,
    /// How many levels it would have without aliases.
    depth: usize,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum Content {
    /// Its text; a plain one, without quotes, may stand for a number, `true` or nothing.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Rc<Node>>),
    Mapping(Mapping),
}

/// The keys of a mapping, in the order of the file; of thousands of tenants each is found at once.
#[derive(Debug, Default)]
pub(crate) struct Mapping {
    pub(crate) entries: Vec<Entry>,
    /// Where in `entries` a key stands first.
    index: HashMap<String, usize>,
}

/// One key of a mapping and its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) value: Rc<Node>,
    /// Where the same key stood before.
    pub(crate) first: Option<Place>,
}

/// Why there is no tree: it comes alone, for nothing else can be said of such a file.
#[derive(Debug)]
pub(crate) struct NoTree {
    pub(crate) place: Place,
    pub(crate) message: String,
}

/// Nested deeper than this is no pipeline file, which needs about ten levels.
const DEEPEST: usize = 64;

/// More values than this, aliases written out, is no pipeline file: 10,000 tenants with 20 keys each are a fifth of it.
const MOST_NODES: usize = 1_000_000;

impl Node {
    /// Reads a text.
    pub(crate) fn read(text: &str) -> Result<Rc<Self>, NoTree> {
        let mut options = Options::default();
        options.set_emit_comments(false);
        options.flow_nesting_limit = DEEPEST;
        options.block_nesting_limit = DEEPEST;
        let mut reader = Reader { parser: Parser::new_from_str_with_options(text, options), anchors: HashMap::new() };
        reader.document()
    }

    /// The keys of a mapping, in the order of the file; none of anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Mapping(mapping) => &mapping.entries,
            Content::Scalar { .. } | Content::Sequence(_) => &[],
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.content {
            Content::Mapping(mapping) => mapping.get(key).map(|entry| &*entry.value),
            Content::Scalar { .. } | Content::Sequence(_) => None,
        }
    }

    /// The place to point at for what a path names: a scalar itself, of anything larger its key. Where the path leads
    /// nowhere, the last key on the way.
    pub(crate) fn place_of(&self, path: &KeyPath) -> Place {
        let mut node = self;
        let mut place = self.place;
        for step in path.steps() {
            let found = match (step, &node.content) {
                (Step::Key(key), Content::Mapping(mapping)) => {
                    mapping.get(key).map(|entry| (entry.place, &entry.value))
                }
                (Step::Item(index), Content::Sequence(items)) => items.get(*index).map(|item| (item.place, item)),
                _ => None,
            };
            let Some((key_place, value)) = found else {
                return place;
            };
            node = value;
            place = if matches!(node.content, Content::Scalar { .. }) { node.place } else { key_place };
        }
        place
    }

    /// A node within the bounds.
    fn measured(place: Place, content: Content) -> Result<Self, NoTree> {
        let (mut size, mut depth) = (1_usize, 1);
        let mut inside = |node: &Self| {
            size = size.saturating_add(node.size);
            depth = depth.max(node.depth + 1);
        };
        match &content {
            Content::Scalar { .. } => {}
            Content::Sequence(items) => items.iter().for_each(|item| inside(item)),
            Content::Mapping(mapping) => mapping.entries.iter().for_each(|entry| inside(&entry.value)),
        }
        if size > MOST_NODES {
            return Err(NoTree::new(
                place,
                format!("with its aliases written out it has more than {MOST_NODES} values"),
            ));
        }
        if depth > DEEPEST {
            return Err(NoTree::too_deep(place));
        }
        Ok(Self { place, content, size, depth })
    }

    fn empty(place: Place) -> Rc<Self> {
        Rc::new(Self { place, content: Content::Mapping(Mapping::default()), size: 1, depth: 1 })
    }
}

impl Mapping {
    /// What stands under a key; of a doubled one, what stands there first.
    fn get(&self, key: &str) -> Option<&Entry> {
        self.index.get(key).and_then(|position| self.entries.get(*position))
    }

    fn push(&mut self, key: String, place: Place, value: Rc<Node>) {
        let first = self.get(&key).map(|entry| entry.place);
        if first.is_none() {
            self.index.insert(key.clone(), self.entries.len());
        }
        self.entries.push(Entry { key, place, value, first });
    }
}

/// The parser and what it has read so far.
struct Reader<'a> {
    parser: Parser<'a, serde_yaml::granit_parser::StrInput<'a>>,
    anchors: HashMap<usize, Rc<Node>>,
}

impl<'a> Reader<'a> {
    /// The one document of the file; an empty file is an empty mapping.
    fn document(&mut self) -> Result<Rc<Node>, NoTree> {
        let mut root = None;
        loop {
            let (event, place) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(NoTree::new(place, "a second document begins here; a pipeline file is one document"));
                }
                Event::DocumentStart(..) => {
                    let (event, place) = self.next()?;
                    root = Some(self.node(event, place)?);
                }
                _ => break,
            }
        }
        let nothing =
            |node: &Rc<Node>| matches!(&node.content, Content::Scalar { text, plain: true } if text.is_empty());
        let root = root.filter(|node| !nothing(node));
        Ok(root.unwrap_or_else(|| Node::empty(Place { line: 1, column: 1 })))
    }

    fn next(&mut self) -> Result<(Event<'a>, Place), NoTree> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, place(span.start))),
            Some(Err(error)) => Err(NoTree::syntax(&error)),
            None => Ok((Event::StreamEnd, Place { line: 1, column: 1 })),
        }
    }

    /// The node that begins with `event`. It calls itself for what is inside; the parser bounds the depth.
    fn node(&mut self, event: Event<'a>, place: Place) -> Result<Rc<Node>, NoTree> {
        let (content, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (scalar(text.into_owned(), style, tag.as_deref(), place)?, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                untagged(tag.as_deref(), place)?;
                (self.sequence()?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                untagged(tag.as_deref(), place)?;
                (self.mapping()?, anchor)
            }
            Event::Alias(anchor) => return self.alias(anchor, place),
            _ => return Err(NoTree::new(place, "a value was expected here")),
        };
        let node = Rc::new(Node::measured(place, content)?);
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(node)
    }

    fn sequence(&mut self) -> Result<Content, NoTree> {
        let mut items = Vec::new();
        loop {
            let (event, place) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Content::Sequence(items));
            }
            items.push(self.node(event, place)?);
        }
    }

    fn mapping(&mut self) -> Result<Content, NoTree> {
        let mut mapping = Mapping::default();
        loop {
            let (event, place) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Content::Mapping(mapping));
            }
            let key = key_text(&*self.node(event, place)?, place)?;
            let (event, value_place) = self.next()?;
            mapping.push(key, place, self.node(event, value_place)?);
        }
    }

    fn alias(&self, anchor: usize, place: Place) -> Result<Rc<Node>, NoTree> {
        match self.anchors.get(&anchor) {
            Some(node) => Ok(Rc::clone(node)),
            None => Err(NoTree::new(place, "an alias stands inside of what it is an alias for")),
        }
    }
}

impl NoTree {
    fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into() }
    }

    fn too_deep(place: Place) -> Self {
        Self::new(place, format!("nested deeper than {DEEPEST} levels"))
    }

    fn syntax(error: &ScanError) -> Self {
        let place = place(*error.marker());
        match error.kind() {
            ErrorKind::RecursionLimitExceeded => Self::too_deep(place),
            _ => Self::new(place, format!("failed to read as YAML: {}", error.info())),
        }
    }
}

fn place(marker: Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

fn scalar(text: String, style: ScalarStyle, tag: Option<&Tag>, place: Place) -> Result<Content, NoTree> {
    let as_text = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
    if !as_text {
        untagged(tag, place)?;
    }
    Ok(Content::Scalar { text, plain: style == ScalarStyle::Plain && !as_text })
}

/// Tags would change what a value is behind the schema's back.
fn untagged(tag: Option<&Tag>, place: Place) -> Result<(), NoTree> {
    match tag {
        None => Ok(()),
        Some(_) => Err(NoTree::new(place, "a tag (`!…`) stands here; a pipeline file has none")),
    }
}

fn key_text(key: &Node, place: Place) -> Result<String, NoTree> {
    match &key.content {
        Content::Scalar { text, plain: true } if text == "<<" => Err(NoTree::new(
            place,
            "merge keys (`<<`) are not read; tenants share by `credentials`, `defaults` and `sources`",
        )),
        Content::Scalar { text, .. } => Ok(text.clone()),
        Content::Sequence(_) | Content::Mapping(_) => Err(NoTree::new(place, "a key is text, not a list or a mapping")),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn refused(text: &str) -> String {
        let fault = Node::read(text).unwrap_err();
        format!("{}:{} {}", fault.place.line, fault.place.column, fault.message)
    }

    /// Every key and value keeps the line and the column where it was written, columns counted in characters.
    #[test]
    fn places_are_kept() {
        let tree = Node::read("a:\n  ö: [1, 'x']\n  b: {c: d}\n").unwrap();
        let at = |path: KeyPath| {
            let place = tree.place_of(&path);
            (place.line, place.column)
        };
        let a = KeyPath::of(&["a"]);
        assert_eq!(at(a.clone()), (1, 1));
        assert_eq!(at(a.key("ö")), (2, 3));
        assert_eq!(at(a.key("ö").item(1)), (2, 10));
        assert_eq!(at(a.key("b").key("c")), (3, 10));
        assert_eq!(at(a.key("b").key("nowhere")), (3, 3), "the last key on the way");
    }

    /// A doubled key is kept with the place of the first.
    #[test]
    fn doubled_keys_are_noticed() {
        let tree = Node::read("a: 1\nb: 2\na: 3\n").unwrap();
        let first: Vec<_> = tree.entries().iter().map(|entry| entry.first.map(|place| place.line)).collect();
        assert_eq!(first, [None, None, Some(1)]);
    }

    /// An alias is the value it stands for.
    #[test]
    fn aliases_are_followed() {
        let tree = Node::read("a: &x {k: v}\nb: *x\n").unwrap();
        assert!(tree.get("b").unwrap().get("k").is_some());
    }

    /// An empty file, and one of comments alone, is an empty mapping.
    #[test]
    fn an_empty_file_is_an_empty_mapping() {
        for text in ["", "# nothing\n", "---\n"] {
            assert!(Node::read(text).unwrap().entries().is_empty(), "{text:?}");
        }
    }

    /// What has no tree is refused with its place and one sentence.
    #[test]
    fn what_has_no_tree_is_refused() {
        assert_eq!(refused("a: [1,\n"), "1:4 failed to read as YAML: unclosed bracket '['");
        assert_eq!(refused("a: 1\n---\nb: 2\n"), "2:1 a second document begins here; a pipeline file is one document");
        assert_eq!(refused("a: !secret x\n"), "1:12 a tag (`!…`) stands here; a pipeline file has none");
        assert_eq!(refused("[a]: x\n"), "1:1 a key is text, not a list or a mapping");
        assert_eq!(refused("a: &x [*x]\n"), "1:8 an alias stands inside of what it is an alias for");
    }

    /// Depth is bounded whether it is written with brackets, with indentation or with aliases of aliases.
    #[test]
    fn depth_is_bounded() {
        let deeper = format!("nested deeper than {DEEPEST} levels");
        let brackets = "[".repeat(100_000);
        let indented = (0..200).fold(String::new(), |mut text, level| {
            writeln!(text, "{}k:", " ".repeat(level)).unwrap();
            text
        });
        let aliases = (1..100_000).fold("a0: &a0 x\n".to_owned(), |mut text, level| {
            writeln!(text, "a{level}: &a{level} [*a{}]", level - 1).unwrap();
            text
        });
        for text in [brackets, indented, aliases] {
            assert!(refused(&text).ends_with(&deeper), "{}", refused(&text));
        }
    }

    /// A few lines that stand for billions of values are refused before anything walks over them.
    #[test]
    fn an_alias_bomb_is_refused() {
        let bomb = (1..40).fold("a0: &a0 x\n".to_owned(), |mut text, level| {
            writeln!(text, "a{level}: &a{level} [*a{0}, *a{0}, *a{0}, *a{0}]", level - 1).unwrap();
            text
        });
        assert!(refused(&bomb).contains("more than 1000000 values"), "{}", refused(&bomb));
    }
}
