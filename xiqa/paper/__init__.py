"""Everything that only this paper needs: its study, its jobs, its chapters and its products."""
