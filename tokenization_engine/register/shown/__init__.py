"""How units and projects are shown, to programs that read CAD Trust's servers and to buyers."""
