"""The experiments, one folder each: how it runs, the figures that follow, the page that shows them."""
