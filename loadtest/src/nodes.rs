//! Where a server is reached: at one address, or at those of the nodes that are one server together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The addresses of the nodes, one at least. Nodes are numbered from 0, and their numbers go round.
#[derive(Clone, Debug)]
pub(crate) struct Nodes {
    bases: Arc<[String]>,
    /// How often one was given out.
    given: Arc<AtomicUsize>,
}

impl Nodes {
    /// Those at these addresses: `http://host:port`.
    pub(crate) fn at(bases: impl IntoIterator<Item = String>) -> Self {
        Self { bases: bases.into_iter().collect(), given: Arc::default() }
    }

    pub(crate) fn count(&self) -> usize {
        self.bases.len()
    }

    /// Where the API of a node is.
    pub(crate) fn base(&self, node: usize) -> &str {
        &self.bases[node % self.count()]
    }

    /// Where the sockets of a node are opened.
    pub(crate) fn socket(&self, node: usize) -> String {
        format!("ws{}/v1/socket", self.base(node).trim_start_matches("http"))
    }

    /// Each once, the first of them in turn: for whoever asks until one can be reached.
    pub(crate) fn in_turn(&self) -> impl Iterator<Item = usize> {
        let first = self.given.fetch_add(1, Ordering::Relaxed) % self.count();
        (first..self.count()).chain(0..first)
    }

    /// Another than that one, where there is another: all the others in turn, so that those who lose a node spread over
    /// what is left.
    pub(crate) fn but(&self, node: usize) -> usize {
        let others = (self.count() - 1).max(1);
        (node + 1 + self.given.fetch_add(1, Ordering::Relaxed) % others) % self.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: usize) -> Nodes {
        Nodes::at((0..count).map(|node| format!("http://host:{node}")))
    }

    #[test]
    fn every_node_is_asked_once_and_each_is_the_first_in_turn() {
        let nodes = nodes(3);
        let asked: Vec<Vec<_>> = (0..4).map(|_| nodes.in_turn().collect()).collect();
        assert_eq!(asked, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
    }

    #[test]
    fn those_who_lose_a_node_spread_over_the_others() {
        let (nodes, mut came) = (nodes(4), [0; 4]);
        (0..300).for_each(|_| came[nodes.but(1)] += 1);
        assert_eq!(came, [100, 0, 100, 100]);
    }

    #[test]
    fn whoever_loses_the_only_node_comes_back_to_it() {
        assert_eq!(nodes(1).but(0), 0);
    }
}
