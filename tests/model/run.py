import sys,time
sys.path.insert(0,"/work/main/tests")
from model.world import Run
t=time.process_time(); n=int(sys.argv[1])
for s in range(n):
    try: Run(s).go()
    except BaseException as e:
        print(s, type(e), e); 
        if "-v" in sys.argv: raise
        break
print(time.process_time()-t)
