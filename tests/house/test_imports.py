"""Imports go downward and never round in a circle. (The layers themselves are contracts in pyproject.toml.)"""

import graphlib

import grimp


def test_no_module_imports_itself_through_others() -> None:
    graph = grimp.build_graph("postroom", cache_dir=None, exclude_type_checking_imports=True)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    # A package's __init__ that gathers its own modules is a table of contents, not a circle.
    imports = {m: {i for i in targets if not m.startswith(f"{i}.")} for m, targets in imports.items()}
    graphlib.TopologicalSorter(imports).prepare()
