; The thread team: how several threads run one program together.
;
; This is LLVM IR written by hand, the one such file in Striate. How to read it: every name that begins with % is given
; a value once. A function is made of blocks (`name:` up to a branch or `ret`), and `phi` picks a value by the block we
; came from; that is how a loop counts. `getelementptr` computes an address and reads nothing.
;
; THE IDEA. A program is a list of stages, and a stage begins when the one before it is finished. A wide stage is one
; instruction whose items are cut into blocks that any thread may compute. A narrow stage is one block: a chain of small
; instructions, which whoever comes first performs from end to end, because handing each of them around would cost more
; than doing it.
;
; The blocks of all stages are numbered through, 0, 1, 2, …, and two kinds of counter hold all that the threads share:
;
;   done      how many blocks are finished. A stage that begins with block `start` is over when done ≥ start + blocks.
;   next[s]   the next block of share s that nobody has claimed. A stage is cut into as many contiguous shares as there
;             are threads; each thread begins with its own, where its cache still holds what it wrote in the stage
;             before, and then helps others. A share has the numbers first ≤ block < last. next[s] < first means that
;             nobody has touched it yet, next[s] ≥ last that nothing is left.
;
; Because block numbers only grow, both counters only grow. So nothing is set back between stages, the program itself is
; never written to, a compare-and-swap cannot mistake an old value for a new one, and a thread may come late or fall
; behind: what it finds finished it skips. Only blocks in progress are waited for, never a thread.
;
; MANY THREADS. A stage has no more shares than blocks, so only so many counters are looked at; a thread looks at the
; shares of others only while it would have to wait, and at each of them once; and a run is joined by no more threads
; than its widest stage has blocks. A program all of whose stages are narrow is not shared at all.
;
; WHO WRITES WHERE. What one thread polls while another writes lies on its own 128 bytes (two cache lines of 64, because
; many processors fetch them in pairs; some have lines of 128).

; A kernel computes the items lo ≤ i < hi of an instruction: void kernel(ptr arguments, i64 lo, i64 hi, ptr scratch).
%instruction = type { ptr, ptr, i64, i64 }   ; kernel, arguments, items, grain (items to a block)
%stage = type { ptr, i64, i64, i64 }         ; first instruction, how many of them (1 if wide), blocks, start
%program = type { ptr, i64, ptr, i64, i64 }  ; stages, how many, instructions, how many, most blocks of a stage

%share = type { i64, [15 x i64] }            ; next
%team = type {
  i64, ptr, ptr, i64, i64, [11 x i64],       ; call, program, scratch, its bytes per thread, threads
  i64, [15 x i64],                           ; inside: how many workers take part
  i64, [15 x i64],                           ; done
  [0 x %share]                               ; one for each thread
}

; The call is one word that says everything: runs so far × 65536 + threads wanted. No threads wanted: there is no run.
; −1: exit.

; Tells the processor that we are only waiting. Python puts the processor's own instruction for that in its place.
declare void @pause()

declare i64 @llvm.umin.i64(i64, i64)
declare i64 @llvm.umax.i64(i64, i64)


; Runs a program and returns when it is finished. The thread that calls this is number 0 of the team.
define void @run(ptr %team, ptr %program) {
entry:
  %threads.at = getelementptr %team, ptr %team, i64 0, i32 4
  %team.threads = load i64, ptr %threads.at
  %widest.at = getelementptr %program, ptr %program, i64 0, i32 4
  %widest = load i64, ptr %widest.at
  %threads = call i64 @llvm.umin.i64(i64 %team.threads, i64 %widest)
  %several = icmp ugt i64 %threads, 1
  br i1 %several, label %clear, label %alone

alone:  ; no counters, no atomic operations
  %instructions.at = getelementptr %program, ptr %program, i64 0, i32 2
  %instructions = load ptr, ptr %instructions.at
  %count.at = getelementptr %program, ptr %program, i64 0, i32 3
  %count = load i64, ptr %count.at
  %scratch.at = getelementptr %team, ptr %team, i64 0, i32 2
  %scratch = load ptr, ptr %scratch.at
  call void @perform(ptr %instructions, i64 %count, ptr %scratch)
  ret void

clear:
  %s = phi i64 [ 0, %entry ], [ %s.after, %clear ]
  %next.at = getelementptr %team, ptr %team, i64 0, i32 10, i64 %s, i32 0
  store i64 0, ptr %next.at
  %s.after = add i64 %s, 1
  %cleared = icmp eq i64 %s.after, %threads
  br i1 %cleared, label %open, label %clear

open:
  %done = getelementptr %team, ptr %team, i64 0, i32 8
  store i64 0, ptr %done
  %program.at = getelementptr %team, ptr %team, i64 0, i32 1
  store ptr %program, ptr %program.at
  %closed = load i64, ptr %team  ; the call is the first word of the team
  %next.run = add i64 %closed, 65536
  %call = or i64 %next.run, %threads
  store atomic i64 %call, ptr %team release, align 8
  call void @take_part(ptr %team, ptr %program, i64 0, i64 %threads)

  ; Close the door, then wait until everybody is out. A worker does the reverse: it enters, then looks whether the door
  ; is still open. Both are sequentially consistent, so one of the two sees the other; release and acquire would not
  ; promise that.
  store atomic i64 %next.run, ptr %team seq_cst, align 8
  %inside.at = getelementptr %team, ptr %team, i64 0, i32 6
  br label %leaving

leaving:
  %inside = load atomic i64, ptr %inside.at seq_cst, align 8
  %empty = icmp eq i64 %inside, 0
  br i1 %empty, label %over, label %wait

wait:
  call void @pause()
  br label %leaving

over:
  ret void
}


; What worker number `me` does: takes part in runs until it has waited in vain for `patience` polls (returns 1: sleep
; now) or is told to exit (returns 0).
define i64 @work(ptr %team, i64 %me, i64 %patience) {
entry:
  %inside = getelementptr %team, ptr %team, i64 0, i32 6
  %program.at = getelementptr %team, ptr %team, i64 0, i32 1
  br label %idle

idle:
  %seen = phi i64 [ 0, %entry ], [ %seen, %bored ], [ %call, %leave ]  ; no run is joined twice
  %polls = phi i64 [ 0, %entry ], [ %polls.after, %bored ], [ 0, %leave ]
  %call = load atomic i64, ptr %team acquire, align 8
  %home = icmp eq i64 %call, -1
  br i1 %home, label %finished, label %look

look:
  %threads = and i64 %call, 65535
  %wanted = icmp ult i64 %me, %threads
  %new = icmp ne i64 %call, %seen
  %join = and i1 %wanted, %new
  br i1 %join, label %enter, label %rest

rest:
  call void @pause()
  %polls.after = add i64 %polls, 1
  %tired = icmp ugt i64 %polls.after, %patience
  br i1 %tired, label %finished, label %bored

bored:
  br label %idle

enter:  ; what belongs to the run may be read only inside, and only if the door was still open then
  %before = atomicrmw add ptr %inside, i64 1 seq_cst, align 8
  %call.now = load atomic i64, ptr %team seq_cst, align 8
  %open = icmp eq i64 %call.now, %call
  br i1 %open, label %part, label %leave

part:
  %program = load ptr, ptr %program.at
  call void @take_part(ptr %team, ptr %program, i64 %me, i64 %threads)
  br label %leave

leave:
  %after = atomicrmw sub ptr %inside, i64 1 release, align 8
  br label %idle

finished:
  %answer = phi i64 [ 0, %idle ], [ 1, %rest ]
  ret i64 %answer
}


; One thread's way through all the stages of a program. It returns when the last one is finished.
define internal void @take_part(ptr %team, ptr %program, i64 %me, i64 %threads) {
entry:
  %stages = load ptr, ptr %program
  %count.at = getelementptr %program, ptr %program, i64 0, i32 1
  %count = load i64, ptr %count.at
  %scratch.at = getelementptr %team, ptr %team, i64 0, i32 2
  %scratch.team = load ptr, ptr %scratch.at
  %scratch.bytes.at = getelementptr %team, ptr %team, i64 0, i32 3
  %scratch.bytes = load i64, ptr %scratch.bytes.at
  %scratch.offset = mul i64 %me, %scratch.bytes
  %scratch = getelementptr i8, ptr %scratch.team, i64 %scratch.offset
  %done = getelementptr %team, ptr %team, i64 0, i32 8
  br label %next.stage

next.stage:
  %index = phi i64 [ 0, %entry ], [ %index.after, %stage.over ]
  %all = icmp eq i64 %index, %count
  br i1 %all, label %return, label %stage

stage:
  %stage.at = getelementptr %stage, ptr %stages, i64 %index
  %instruction = load ptr, ptr %stage.at
  %chain.at = getelementptr %stage, ptr %stage.at, i64 0, i32 1
  %chain = load i64, ptr %chain.at
  %blocks.at = getelementptr %stage, ptr %stage.at, i64 0, i32 2
  %blocks = load i64, ptr %blocks.at
  %start.at = getelementptr %stage, ptr %stage.at, i64 0, i32 3
  %start = load i64, ptr %start.at
  %end = add i64 %start, %blocks
  %wide = icmp ugt i64 %blocks, 1
  %done.before = load atomic i64, ptr %done acquire, align 8
  %late = icmp uge i64 %done.before, %end
  br i1 %late, label %stage.over, label %begin

begin:
  %shares = call i64 @llvm.umin.i64(i64 %threads, i64 %blocks)
  %own = urem i64 %me, %shares
  br label %look

; Work on one share until nothing in it is left, then on the next. A share that is empty stays empty for this stage, so
; one round is enough.
look:
  %share = phi i64 [ %own, %begin ], [ %share.after, %help ]
  %visited = phi i64 [ 1, %begin ], [ %visited.after, %help ]
  %share.blocks = mul i64 %share, %blocks
  %first.offset = udiv i64 %share.blocks, %shares
  %first = add i64 %start, %first.offset
  %last.blocks = add i64 %share.blocks, %blocks
  %last.offset = udiv i64 %last.blocks, %shares
  %last = add i64 %start, %last.offset
  %size = sub i64 %last, %first
  %size.up = add i64 %size, 3
  %chunk = lshr i64 %size.up, 2  ; a quarter of the share: few claims, yet enough left to help with
  %next.at = getelementptr %team, ptr %team, i64 0, i32 10, i64 %share, i32 0
  br label %claim

claim:
  %finished = phi i64 [ 0, %look ], [ %finished, %take ], [ %finished.after, %computed ]  ; by us, and not in done yet
  %next = load atomic i64, ptr %next.at monotonic, align 8
  %from = call i64 @llvm.umax.i64(i64 %next, i64 %first)
  %something = icmp ult i64 %from, %last
  br i1 %something, label %take, label %empty

take:
  %from.chunk = add i64 %from, %chunk
  %to = call i64 @llvm.umin.i64(i64 %from.chunk, i64 %last)
  %swap = cmpxchg ptr %next.at, i64 %next, i64 %to monotonic monotonic, align 8
  %ours = extractvalue { i64, i1 } %swap, 1
  br i1 %ours, label %compute, label %claim

compute:
  br i1 %wide, label %slice, label %whole

whole:
  call void @perform(ptr %instruction, i64 %chain, ptr %scratch)
  br label %computed

slice:
  %kernel = load ptr, ptr %instruction
  %arguments.at = getelementptr %instruction, ptr %instruction, i64 0, i32 1
  %arguments = load ptr, ptr %arguments.at
  %items.at = getelementptr %instruction, ptr %instruction, i64 0, i32 2
  %items = load i64, ptr %items.at
  %grain.at = getelementptr %instruction, ptr %instruction, i64 0, i32 3
  %grain = load i64, ptr %grain.at
  %from.block = sub i64 %from, %start
  %lo = mul i64 %from.block, %grain
  %to.block = sub i64 %to, %start
  %hi.full = mul i64 %to.block, %grain
  %hi = call i64 @llvm.umin.i64(i64 %hi.full, i64 %items)  ; the last block may be smaller
  call void %kernel(ptr %arguments, i64 %lo, i64 %hi, ptr %scratch)
  br label %computed

computed:
  %taken = sub i64 %to, %from
  %finished.after = add i64 %finished, %taken
  br label %claim

empty:  ; tell the others, once per share and not once per chunk
  %some = icmp ugt i64 %finished, 0
  br i1 %some, label %publish, label %enough

publish:  ; release: whoever sees the count also sees what the kernels wrote
  %done.others = atomicrmw add ptr %done, i64 %finished release, align 8
  br label %enough

enough:
  %first.look = icmp eq i64 %visited, 1
  %short = select i1 %first.look, i64 16, i64 0  ; others may be about to finish: see whether they need help at all
  %round = icmp eq i64 %visited, %shares
  %patience = select i1 %round, i64 -1, i64 %short
  %over = call i1 @await(ptr %done, i64 %end, i64 %patience)
  br i1 %over, label %stage.over, label %help

help:
  %visited.after = add i64 %visited, 1
  %neighbour = add i64 %share, 1
  %wrap = icmp eq i64 %neighbour, %shares
  %share.after = select i1 %wrap, i64 0, i64 %neighbour
  br label %look

stage.over:
  %index.after = add i64 %index, 1
  br label %next.stage

return:
  ret void
}


; Performs `count` instructions, one after another, each with all its items.
define internal void @perform(ptr %instructions, i64 %count, ptr %scratch) {
entry:
  br label %next

next:
  %index = phi i64 [ 0, %entry ], [ %index.after, %instruction ]
  %all = icmp eq i64 %index, %count
  br i1 %all, label %return, label %instruction

instruction:
  %instruction.at = getelementptr %instruction, ptr %instructions, i64 %index
  %kernel = load ptr, ptr %instruction.at
  %arguments.at = getelementptr %instruction, ptr %instruction.at, i64 0, i32 1
  %arguments = load ptr, ptr %arguments.at
  %items.at = getelementptr %instruction, ptr %instruction.at, i64 0, i32 2
  %items = load i64, ptr %items.at
  call void %kernel(ptr %arguments, i64 0, i64 %items, ptr %scratch)
  %index.after = add i64 %index, 1
  br label %next

return:
  ret void
}


; Waits until a counter has reached a goal (returns true) or `patience` polls were in vain (returns false). The longer
; it takes, the more pauses between polls, up to 32: polling a counter that somebody is writing to costs the writer time.
define internal i1 @await(ptr %counter, i64 %goal, i64 %patience) {
entry:
  br label %poll

poll:
  %polls = phi i64 [ 0, %entry ], [ %polls.after, %again ]
  %count = load atomic i64, ptr %counter acquire, align 8
  %reached = icmp uge i64 %count, %goal
  %tired = icmp uge i64 %polls, %patience
  %stop = or i1 %reached, %tired
  br i1 %stop, label %return, label %more

more:
  %eighth = lshr i64 %polls, 3
  %eighth.up = add i64 %eighth, 1
  %pauses = call i64 @llvm.umin.i64(i64 %eighth.up, i64 32)
  br label %rest

rest:
  %paused = phi i64 [ 0, %more ], [ %paused.after, %rest ]
  call void @pause()
  %paused.after = add i64 %paused, 1
  %enough = icmp eq i64 %paused.after, %pauses
  br i1 %enough, label %again, label %rest

again:
  %polls.after = add i64 %polls, 1
  br label %poll

return:
  ret i1 %reached
}
