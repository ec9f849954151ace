"""Make a machines folder from the project of another tool: TOPF and talhelper. Pure: files in, files and notes out.

What a tool would do at run time (query nodes, resolve vault references, compute a schematic) is not done here; a note
says what a person has to do.
"""
