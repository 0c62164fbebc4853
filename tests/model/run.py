import sys,time,gc
sys.path.insert(0,"/work/main/tests")
from model.luck import Run
from collections import Counter
c=Counter()
t=time.process_time(); n=int(sys.argv[1]); f=int(sys.argv[2]) if len(sys.argv)>2 else 0
gc.freeze()
for s in range(f,f+n):
    try: c+=Run(s).go().counts
    except BaseException as e:
        print(s, type(e), e); 
        if "-v" in sys.argv: raise
        break
print(time.process_time()-t,(time.process_time()-t)/(s-f+1)*1e3,"ms"); print(c)
